package providers_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Goal: no time that a provider tells keeps what it tells about the money from being
// recorded; one that a record can hold is passed on as it was told. Method: answers and
// events with times at and beyond both ends, such as seconds that were milliseconds; the
// payment that has the expiry, and what a person is told of the event, are encoded.
func TestTimesFitARecord(t *testing.T) {
	west := time.FixedZone("west", -12*60*60)
	for name, c := range map[string]struct {
		told time.Time
		fits bool
	}{
		"soon":                         {time.Unix(1_800_000_000, 0), true},
		"the last moment":              {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), true},
		"the last moment, in the west": {time.Date(9999, 12, 31, 23, 59, 59, 0, west), false},
		"milliseconds":                 {time.Unix(1_800_000_000_000, 0), false},
		"before all years":             {time.Unix(-1<<40, 0), false},
		"none":                         {time.Time{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.told
			if !c.fits {
				want = time.Time{}
			}
			says := func(a *payment.Answer) { a.ExpireTime = c.told }
			b := newBench(t, scripted{parse: says, parseQuery: says}, nil)
			sent, err := b.send(t, someSend())
			if err != nil || sent.Code == "" {
				t.Fatalf("sent: %+v, %v", sent, err)
			}
			found, err := b.Query(t.Context(), someSend())
			if err != nil || found.Code == "" {
				t.Fatalf("found: %+v, %v", found, err)
			}
			told, err := delivered(t, func(providers.Delivery) (providers.Told, error) {
				return providers.Told{Events: []payment.Event{fit(func(e *payment.Event) {
					e.Time, e.Answer.ExpireTime = c.told, c.told
					e.Method, e.Outside = "", &payment.Outside{Object: "dp_1", Kind: payment.OutsideDispute, Amount: 7, Time: c.told}
				})}}, nil
			})
			if err != nil || len(told.Events) != 1 {
				t.Fatalf("told: %+v, %v", told, err)
			}
			e := told.Events[0]
			got := []time.Time{sent.ExpireTime, found.ExpireTime, e.Time, e.Answer.ExpireTime, e.Outside.Time}
			if diff := cmp.Diff([]time.Time{want, want, want, want, want}, got); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
			recordable(t, sent.ExpireTime, e)
		})
	}
}

// recordable checks that what follows from an answer and an event can be written.
func recordable(t *testing.T, expires time.Time, e payment.Event) {
	t.Helper()
	if _, err := ledger.EncodePayment(payment.Payment{ID: "p", Tenant: "default", Status: payment.StatusAuthorized, ExpireTime: expires}); err != nil {
		t.Errorf("the payment: %v", err)
	}
	if _, err := ledger.EncodeAttention(payment.Attention{Kind: payment.AttentionOrphan, Account: "main", Event: &e, Time: time.Unix(1, 0)}.Identified()); err != nil {
		t.Errorf("what a person is told: %v", err)
	}
}
