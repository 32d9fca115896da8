package orchestrator

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: what is kept of a payment is small, however much its providers had to say, and
// no secret of the shopper's is in it; and the record that it comes from stays whole.
// Method: an authorization that failed over between two providers with the largest
// actions that are believed, as the flight holds it when it has ended.
func TestRecentKeepsNoActions(t *testing.T) {
	const secret = "shopper-secret"
	sdk, err := json.Marshal(map[string]string{"client_secret": secret, "data": string(bytes.Repeat([]byte("x"), 64<<10))})
	if err != nil {
		t.Fatal(err)
	}
	ofTwo := func() ledger.Snapshot {
		op := payment.Operation{
			Key: payment.OperationKey{Tenant: "default", ID: "a1"}, Method: payment.MethodAuthorize, State: payment.StateSucceeded,
			Sealed: []byte(secret), Response: []byte(secret),
		}
		for _, account := range []payment.AccountName{"a", "b"} {
			op.Attempts = append(op.Attempts, payment.Attempt{
				Account: account, Target: payment.Target{Host: string(account)},
				NextAction: &payment.NextAction{ProviderSDK: sdk, RedirectForm: map[string]string{"token": secret}},
			})
		}
		return ledger.Snapshot{
			Operation: op, Payment: payment.Payment{ID: "p", Tenant: "default", Status: payment.StatusAuthorized}, Revision: ledger.Revision{Operation: 2, Payment: 2},
		}
	}
	r, err := newRecent()
	if err != nil {
		t.Fatal(err)
	}
	written := ofTwo()
	r.wrote(written)
	k, found := r.find(payment.MethodCapture, "default", "p")
	if !found || k.authorization.Current().Target.Host != "b" {
		t.Fatalf("found: %t, with %+v", found, k.authorization)
	}
	raw, err := json.Marshal([]any{k.payment, k.authorization})
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 8<<10 || bytes.Contains(raw, []byte(secret)) {
		t.Errorf("%d bytes are kept, a secret among them: %t", len(raw), bytes.Contains(raw, []byte(secret)))
	}
	if diff := cmp.Diff(ofTwo(), written); diff != "" {
		t.Errorf("what was written is not whole any more (-before +after):\n%s", diff)
	}
}
