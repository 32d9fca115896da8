package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// ledgerPrefix begins every key of the ledger, as in acquit's defaults.
const ledgerPrefix = "/acquit/v1"

// ledgerWrites are what acquit's ledger writes for each verb, as recorded.
type ledgerWrites map[payment.Method]operationWrites

// operationWrites are the two transactions of one operation, and acquit's answer
// to its caller.
type operationWrites struct {
	Claim   transaction `json:"claim"`
	Outcome transaction `json:"outcome"`
	Answer  []byte      `json:"answer"`
}

// transaction is what one transaction puts and deletes.
type transaction struct {
	Puts    []put    `json:"puts"`
	Deletes []string `json:"deletes,omitempty"`
}

type put struct {
	Key    string `json:"key"`
	Value  []byte `json:"value"`
	Leased bool   `json:"leased,omitempty"`
}

// record makes one operation of each verb and reads back, from the history that
// etcd keeps for a while, what their transactions wrote.
func record(ctx context.Context, s *side) (ledgerWrites, error) {
	c := newCaller(s.conn, mixed())
	all := make(ledgerWrites)
	for _, verb := range c.verbs {
		sent := c.next()
		got, err := sent.ask(ctx, s.conn)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", verb, err)
		}
		c.payment = got.GetPayment().GetPaymentId()
		s.said++
		w, err := recordOperation(ctx, s.etcd, sent)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", verb, err)
		}
		w.Answer = sent.raw
		all[verb] = w
	}
	return all, nil
}

func recordOperation(ctx context.Context, etcd *clientv3.Client, c call) (operationWrites, error) {
	key := fmt.Sprintf("%s/op/%s/%s/%s", ledgerPrefix, tenant, c.verb, payment.HashKey(tenant, c.verb, c.key))
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	resp, err := etcd.Get(ctx, key)
	if err != nil {
		return operationWrites{}, err
	}
	if len(resp.Kvs) != 1 || resp.Kvs[0].Version != 2 {
		return operationWrites{}, fmt.Errorf("no operation with two writes at %s", key)
	}
	var w operationWrites
	if w.Claim, err = recordTransaction(ctx, etcd, resp.Kvs[0].CreateRevision); err != nil {
		return operationWrites{}, err
	}
	w.Outcome, err = recordTransaction(ctx, etcd, resp.Kvs[0].ModRevision)
	return w, err
}

// recordTransaction finds what was put at a revision, and what was gone then.
func recordTransaction(ctx context.Context, etcd *clientv3.Client, rev int64) (transaction, error) {
	var t transaction
	now, err := etcd.Get(ctx, ledgerPrefix, clientv3.WithPrefix(), clientv3.WithRev(rev))
	if err != nil {
		return t, err
	}
	before, err := etcd.Get(ctx, ledgerPrefix, clientv3.WithPrefix(), clientv3.WithRev(rev-1), clientv3.WithKeysOnly())
	if err != nil {
		return t, err
	}
	var there []string
	for _, kv := range now.Kvs {
		there = append(there, string(kv.Key))
		if kv.ModRevision == rev {
			t.Puts = append(t.Puts, put{Key: string(kv.Key), Value: kv.Value, Leased: kv.Lease != 0})
		}
	}
	for _, kv := range before.Kvs {
		if !slices.Contains(there, string(kv.Key)) {
			t.Deletes = append(t.Deletes, string(kv.Key))
		}
	}
	return t, nil
}

// naming makes the keys of further operations out of those of a recorded one:
// with other hashes and another payment id, alike where they were alike.
type naming struct {
	parts map[string][]part
	names int // of hashes
}

// part of a key: text, or the number of a name that changes.
type part struct {
	text    string
	name    int
	payment bool
	fixed   bool
}

// newNaming learns the keys of an operation.
func newNaming(w operationWrites) *naming {
	n := &naming{parts: map[string][]part{}}
	changing := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}`)
	known := map[string]int{}
	learn := func(key string) {
		if n.parts[key] != nil {
			return
		}
		at := 0
		for _, m := range changing.FindAllStringIndex(key, -1) {
			text := key[m[0]:m[1]]
			n.parts[key] = append(n.parts[key], part{text: key[at:m[0]], fixed: true})
			if _, ok := known[text]; !ok && !strings.Contains(text, "-") {
				known[text] = len(known)
			}
			n.parts[key] = append(n.parts[key], part{name: known[text], payment: strings.Contains(text, "-")})
			at = m[1]
		}
		n.parts[key] = append(n.parts[key], part{text: key[at:], fixed: true})
	}
	for _, t := range []transaction{w.Claim, w.Outcome} {
		for _, p := range t.Puts {
			learn(p.Key)
		}
		for _, key := range t.Deletes {
			learn(key)
		}
	}
	n.names = len(known)
	return n
}

// names are those of one operation.
type names struct {
	*naming

	hashes  []string
	payment string
}

// fresh names an operation on a payment; "" for a new one.
func (n *naming) fresh(paymentID string) (names, error) {
	if paymentID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return names{}, err
		}
		paymentID = id.String()
	}
	out := names{naming: n, payment: paymentID, hashes: make([]string, n.names)}
	for i := range out.hashes {
		out.hashes[i] = randomHex()
	}
	return out, nil
}

// key is what a recorded key is called in this operation.
func (n names) key(recorded string) string {
	var out strings.Builder
	for _, p := range n.parts[recorded] {
		switch {
		case p.fixed:
			out.WriteString(p.text)
		case p.payment:
			out.WriteString(n.payment)
		default:
			out.WriteString(n.hashes[p.name])
		}
	}
	return out.String()
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
