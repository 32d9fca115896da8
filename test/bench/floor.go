package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/server/embedetcd"
)

// leaseSeconds of the floor's session outlast every run.
const leaseSeconds = 24 * 60 * 60

// floor answers payment calls at the least cost: what it is told it does, and it
// knows nothing of keys, retries or unknown outcomes.
type floor struct {
	acquitv1.UnimplementedPaymentServiceServer

	etcd     *clientv3.Client
	provider *http.Client
	url      string
	verbs    map[payment.Method]verb
	lease    clientv3.LeaseID
	session  string // key
	alive    int64  // the create revision of the session's key
}

// verb is how the floor does one.
type verb struct {
	writes operationWrites
	naming *naming
}

// floor runs the floor until ctx ends.
func (r role) floor(ctx context.Context, logger *slog.Logger, ready func(located) error) (err error) {
	at := located{Etcd: r.Etcd}
	var etcd *clientv3.Client
	if len(r.Etcd) > 0 {
		if etcd, err = etcdledger.Dial(etcdledger.Endpoints{Addresses: r.Etcd}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, etcd.Close()) }()
	} else {
		member, starting := embedetcd.Start(ctx, embedetcd.Config{DataDir: r.Dir, Logger: logger})
		if starting != nil {
			return starting
		}
		defer func() { err = errors.Join(err, member.Close()) }()
		etcd, at.Etcd = member.Client(), member.Endpoints()
	}
	f, err := newFloor(ctx, etcd, r)
	if err != nil {
		return err
	}
	var listener net.ListenConfig
	bound, err := listener.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	acquitv1.RegisterPaymentServiceServer(s, f)
	defer context.AfterFunc(ctx, s.GracefulStop)()
	at.GRPC = bound.Addr().String()
	if err := ready(at); err != nil {
		return errors.Join(err, bound.Close())
	}
	return s.Serve(bound)
}

func newFloor(ctx context.Context, etcd *clientv3.Client, r role) (*floor, error) {
	f := &floor{
		etcd: etcd, url: r.Provider, verbs: make(map[payment.Method]verb), session: ledgerPrefix + "/session/floor",
		provider: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second}},
	}
	for method, w := range r.Ledger {
		f.verbs[method] = verb{writes: w, naming: newNaming(w)}
	}
	grant, err := etcd.Grant(ctx, leaseSeconds)
	if err != nil {
		return nil, err
	}
	f.lease = grant.ID
	put, err := etcd.Put(ctx, f.session, "{}", clientv3.WithLease(f.lease))
	if err != nil {
		return nil, err
	}
	f.alive = put.Header.Revision
	return f, nil
}

// Authorize implements acquitv1.PaymentServiceServer.
func (f *floor) Authorize(ctx context.Context, in *acquitv1.AuthorizeRequest) (*acquitv1.AuthorizeResponse, error) {
	out := &acquitv1.AuthorizeResponse{}
	token := in.GetPaymentMethod().GetTokenSet().GetTokens()[0].GetStoredId()
	return out, f.operate(ctx, payment.MethodAuthorize, handle{}, order{Capture: "manual", Token: token}, out)
}

// Capture implements acquitv1.PaymentServiceServer.
func (f *floor) Capture(ctx context.Context, in *acquitv1.CaptureRequest) (*acquitv1.CaptureResponse, error) {
	out := &acquitv1.CaptureResponse{}
	of, err := parseHandle(in.GetPaymentId())
	if err != nil {
		return nil, err
	}
	return out, f.operate(ctx, payment.MethodCapture, of, order{}, out)
}

// Refund implements acquitv1.PaymentServiceServer.
func (f *floor) Refund(ctx context.Context, in *acquitv1.RefundRequest) (*acquitv1.RefundResponse, error) {
	out := &acquitv1.RefundResponse{}
	of, err := parseHandle(in.GetPaymentId())
	if err != nil {
		return nil, err
	}
	return out, f.operate(ctx, payment.MethodRefund, of, order{}, out)
}

// handle is the payment id that the floor gives to its callers: all that it has
// to know of a payment, so that it need not remember or read any.
type handle struct {
	id       string // as in the store
	revision int64  // of the payment's record
	object   string // the provider's authorization
}

// String is the payment id.
func (h handle) String() string { return fmt.Sprintf("%s@%d@%s", h.id, h.revision, h.object) }

func parseHandle(s string) (handle, error) {
	parts := strings.Split(s, "@")
	if len(parts) != 3 {
		return handle{}, fmt.Errorf("%q is no payment of the floor", s)
	}
	revision, err := strconv.ParseInt(parts[1], 10, 64)
	return handle{id: parts[0], revision: revision, object: parts[2]}, err
}

// operate claims, posts and records, and fills in the answer.
func (f *floor) operate(ctx context.Context, method payment.Method, of handle, body order, out answered) error {
	v := f.verbs[method]
	named, err := v.naming.fresh(of.id)
	if err != nil {
		return err
	}
	claimed, err := f.transact(ctx, named, v.writes.Claim, func(key string) clientv3.Cmp {
		if of.id != "" && strings.Contains(key, "/payment/") {
			return clientv3.Compare(clientv3.ModRevision(key), "=", of.revision)
		}
		return clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	}, clientv3.Compare(clientv3.CreateRevision(f.session), "=", f.alive))
	if err != nil {
		return err
	}
	body.Reference, body.Amount, body.Currency = randomHex()[:24], amount, currency
	object, err := f.post(ctx, method, of.object, body)
	if err != nil {
		return err
	}
	if of.object == "" {
		of.object = object
	}
	if of.revision, err = f.transact(ctx, named, v.writes.Outcome, func(key string) clientv3.Cmp {
		return clientv3.Compare(clientv3.ModRevision(key), "=", claimed)
	}); err != nil {
		return err
	}
	of.id = named.payment
	if err := proto.Unmarshal(v.writes.Answer, out); err != nil {
		return err
	}
	out.GetPayment().PaymentId = of.String()
	return nil
}

// transact makes a recorded transaction under other names, with the guards that
// the ledger has: on the operation, on the payment if it writes one, and those
// given; and with the reads that it makes if they do not hold.
func (f *floor) transact(ctx context.Context, named names, t transaction, guard func(string) clientv3.Cmp, more ...clientv3.Cmp) (int64, error) {
	guards, looks := more, []clientv3.Op{clientv3.OpGet(f.session)}
	ops := make([]clientv3.Op, 0, len(t.Puts)+len(t.Deletes))
	for _, p := range t.Puts {
		key := named.key(p.Key)
		if guarded(key) {
			guards = append(guards, guard(key))
		}
		if guarded(key) || p.Leased {
			looks = append(looks, clientv3.OpGet(key))
		}
		var options []clientv3.OpOption
		if p.Leased {
			options = append(options, clientv3.WithLease(f.lease))
		}
		ops = append(ops, clientv3.OpPut(key, string(p.Value), options...))
	}
	for _, key := range t.Deletes {
		ops = append(ops, clientv3.OpDelete(named.key(key)))
	}
	resp, err := f.etcd.Txn(ctx).If(guards...).Then(ops...).Else(looks...).Commit()
	if err != nil {
		return 0, err
	}
	if !resp.Succeeded {
		return 0, errors.New("a guard of the floor does not hold")
	}
	return resp.Header.Revision, nil
}

// guarded reports whether a key is that of an operation or a payment.
func guarded(key string) bool {
	return slices.ContainsFunc([]string{"/op/", "/payment/"}, func(kind string) bool {
		return strings.HasPrefix(key, ledgerPrefix+kind)
	})
}

// order is the body of a request to the simulated provider.
type order struct {
	Reference string `json:"reference"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Capture   string `json:"capture,omitempty"`
	Token     string `json:"token,omitempty"`
}

// post asks the provider and returns the id of what it made.
func (f *floor) post(ctx context.Context, method payment.Method, on string, in order) (string, error) {
	path := "/v1/authorizations"
	switch method { //nolint:exhaustive // the floor has no others
	case payment.MethodCapture:
		path += "/" + on + "/captures"
	case payment.MethodRefund:
		path += "/" + on + "/refunds"
	}
	body, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", randomHex())
	request.Header.Set("Authorization", "Bearer "+simulator.CredentialPrefix+"floor")
	response, err := f.provider.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &made); err != nil || response.StatusCode >= 300 || made.ID == "" {
		return "", fmt.Errorf("the provider answered %d %s", response.StatusCode, raw)
	}
	return made.ID, nil
}
