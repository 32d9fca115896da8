//go:build linux

package faults

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// ledgerPrefix is where a deployment keeps its records if it is not told otherwise.
const ledgerPrefix = "/acquit/v1/"

// records are what a ledger holds at one moment.
type records struct {
	operations map[string]payment.Operation // by tenant, method and hash of the key
	markers    map[string]ledger.Marker     // likewise
	open       map[string]ledger.Open       // by shard and hash of the key
	payments   map[string]payment.Payment   // by tenant and id
}

// records reads the ledger's records as they were at one moment, from etcd itself:
// what no process under test could hide or make up.
func (l *ledgerProcess) records(ctx context.Context) (records, error) {
	r := records{map[string]payment.Operation{}, map[string]ledger.Marker{}, map[string]ledger.Open{}, map[string]payment.Payment{}}
	err := l.walk(ctx, ledgerPrefix, func(key string, value []byte) (err error) {
		kind, name, _ := strings.Cut(strings.TrimPrefix(key, ledgerPrefix), "/")
		switch kind {
		case "op":
			r.operations[name], err = ledger.DecodeOperation(value)
		case "inflight":
			r.markers[name], err = ledger.DecodeMarker(value)
		case "open":
			r.open[name], err = ledger.DecodeOpen(value)
		case "payment":
			r.payments[name], err = ledger.DecodePayment(value)
		}
		return err
	})
	return r, err
}

// walk visits every key under a prefix, in order and at one revision.
func (l *ledgerProcess) walk(ctx context.Context, prefix string, visit func(key string, value []byte) error) error {
	return l.ask(func(kv etcdserverpb.KVClient) error {
		end := append([]byte(prefix[:len(prefix)-1]), prefix[len(prefix)-1]+1)
		page := &etcdserverpb.RangeRequest{Key: []byte(prefix), RangeEnd: end, Limit: 2000}
		for more := true; more; {
			got, err := kv.Range(ctx, page)
			if err != nil {
				return fmt.Errorf("read etcd: %w", err)
			}
			for _, pair := range got.GetKvs() {
				if err := visit(string(pair.GetKey()), pair.GetValue()); err != nil {
					return fmt.Errorf("%s: %w", pair.GetKey(), err)
				}
				page.Key = append(bytes.Clone(pair.GetKey()), 0)
			}
			more, page.Revision = got.GetMore(), got.GetHeader().GetRevision()
			if page.Revision == 0 {
				return fmt.Errorf("read etcd: an answer without a revision")
			}
		}
		return nil
	})
}

// count is how many keys there are under a prefix.
func (l *ledgerProcess) count(ctx context.Context, prefix string) (n int64, err error) {
	err = l.ask(func(kv etcdserverpb.KVClient) error {
		end := append([]byte(prefix[:len(prefix)-1]), prefix[len(prefix)-1]+1)
		got, err := kv.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(prefix), RangeEnd: end, CountOnly: true})
		n = got.GetCount()
		return err
	})
	return n, err
}

func (l *ledgerProcess) ask(question func(etcdserverpb.KVClient) error) error {
	secure := insecure.NewCredentials()
	if l.cluster != nil {
		secure = l.cluster.credentials
	}
	conn, err := grpc.NewClient(l.addr, grpc.WithTransportCredentials(secure),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	defer conn.Close()
	return question(etcdserverpb.NewKVClient(conn))
}

// problems says what is wrong with records that were true at one moment.
func (r records) problems() []string {
	var found []string
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	unfinished := 0
	for name, op := range r.operations {
		entry, open := r.open[fmt.Sprintf("%02d/%s", ledger.Shard(op.Key), op.Key.Hash())]
		marker := r.markers[name]
		if open == op.State.Final() {
			wrong("%s is %s, and in the index of open operations: %t", name, op.State, open)
		}
		if op.State.Final() {
			if len(op.Sealed) > 0 || len(op.Response) == 0 || op.Owner != "" || marker.Present || !op.NextCheck.IsZero() {
				wrong("%s is %s with %d bytes of request, %d of answer, owner %q, marker %t, next look %s",
					name, op.State, len(op.Sealed), len(op.Response), op.Owner, marker.Present, op.NextCheck)
			}
			continue
		}
		unfinished++
		switch {
		case len(op.Sealed) == 0 || op.NextCheck.IsZero():
			wrong("%s is %s with %d bytes of request, next look %s", name, op.State, len(op.Sealed), op.NextCheck)
		case entry.Key != op.Key || !entry.Due.Equal(op.NextCheck):
			wrong("%s is due at %s, the index says %s at %s", name, op.NextCheck, entry.Key.ID, entry.Due)
		case marker.Present && (marker.Boot != op.Owner || marker.Epoch != op.Epoch):
			wrong("%s is %q's in epoch %d, the marker says %q in epoch %d", name, op.Owner, op.Epoch, marker.Boot, marker.Epoch)
		case op.Owner == "" && op.ParkReason == "" && op.Response == nil:
			wrong("%s is %s, nobody's, and nothing says why", name, op.State)
		}
	}
	if len(r.open) != unfinished {
		wrong("the index has %d operations, %d are not final", len(r.open), unfinished)
	}
	for name := range r.markers {
		if _, ok := r.operations[name]; !ok {
			wrong("marker %s is of no operation", name)
		}
	}
	return append(found, r.amounts()...)
}

// amounts says where what is reserved on a payment is not what its open operations
// hold, or is more than there is.
func (r records) amounts() []string {
	var found []string
	type held struct{ capture, refund int64 }
	holds := map[payment.ID]held{}
	for _, op := range r.operations {
		h := holds[op.PaymentID]
		switch {
		case op.State.Final():
		case op.Method == payment.MethodCapture:
			h.capture += op.Held
		case op.Method == payment.MethodRefund:
			h.refund += op.Held
		}
		holds[op.PaymentID] = h
	}
	for name, p := range r.payments {
		h, known := holds[p.ID]
		switch {
		case !known:
			found = append(found, fmt.Sprintf("payment %s has no operation", name))
		case h.capture != p.CaptureReserved || h.refund != p.RefundReserved:
			found = append(found, fmt.Sprintf("payment %s has reserved %d and %d, open operations hold %d and %d",
				name, p.CaptureReserved, p.RefundReserved, h.capture, h.refund))
		case p.Captured+p.CaptureReserved > p.Authorized || p.Refunded+p.RefundReserved > p.Captured:
			found = append(found, fmt.Sprintf("payment %s: captured %d + %d of %d, refunded %d + %d",
				name, p.Captured, p.CaptureReserved, p.Authorized, p.Refunded, p.RefundReserved))
		}
	}
	return found
}

// look reads the ledger and fails the test for whatever is wrong with it.
func (l *ledgerProcess) look(t *testing.T) records {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // also when the test is over
	defer cancel()
	r, err := l.records(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, p := range r.problems() {
		t.Error("ledger: " + p)
	}
	return r
}
