package payment_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func capturedPayment() payment.Payment {
	return payment.Payment{Amount: eur(1000), Authorized: 1000, Captured: 800, Refunded: 100, Status: payment.StatusPartiallyRefunded, Version: 3}
}

// Goal: what happened beside us is recorded once an object, in whatever order and
// however often it is told, and counts against what may still be refunded.
// Method: tellings with the amounts they lead to.
func TestOutside(t *testing.T) {
	o := func(kind payment.OutsideKind, object payment.ProviderReference, amount int64) payment.Outside {
		return payment.Outside{Object: object, Kind: kind, Amount: amount}
	}
	for name, c := range map[string]struct {
		told                                           []payment.Outside
		refundable, extCaptured, extRefunded, disputed int64
		status                                         payment.Status
	}{
		"nothing":                      {nil, 700, 0, 0, 0, payment.StatusPartiallyRefunded},
		"a refund":                     {[]payment.Outside{o("refund", "r", 50)}, 650, 0, 50, 0, payment.StatusPartiallyRefunded},
		"the same twice":               {[]payment.Outside{o("refund", "r", 50), o("refund", "r", 50)}, 650, 0, 50, 0, payment.StatusPartiallyRefunded},
		"corrected":                    {[]payment.Outside{o("refund", "r", 50), o("refund", "r", 60)}, 640, 0, 60, 0, payment.StatusPartiallyRefunded},
		"taken back":                   {[]payment.Outside{o("dispute", "d", 800), o("dispute", "d", 0)}, 700, 0, 0, 0, payment.StatusPartiallyRefunded},
		"more than there is":           {[]payment.Outside{o("refund", "r", 900)}, 0, 0, 900, 0, payment.StatusRefunded},
		"a dispute":                    {[]payment.Outside{o("dispute", "d", 800)}, 0, 0, 0, 800, payment.StatusPartiallyRefunded},
		"a capture":                    {[]payment.Outside{o("capture", "c", 30)}, 700, 30, 0, 0, payment.StatusPartiallyRefunded},
		"our refund undone":            {[]payment.Outside{o("refund_reversal", "ours", 100)}, 800, 0, 0, 0, payment.StatusPartiallyCaptured},
		"our capture undone, in part":  {[]payment.Outside{o("capture_reversal", "ours", 300)}, 400, 0, 0, 0, payment.StatusPartiallyRefunded},
		"our capture undone, all":      {[]payment.Outside{o("capture_reversal", "ours", 800)}, 0, 0, 0, 0, payment.StatusRefunded},
		"both undone":                  {[]payment.Outside{o("capture_reversal", "ours", 800), o("refund_reversal", "ours", 100)}, 0, 0, 0, 0, payment.StatusAuthorized},
		"both undone, the most of one": {[]payment.Outside{o("capture_reversal", "ours", 700), o("refund_reversal", "ours", 100)}, 100, 0, 0, 0, payment.StatusPartiallyCaptured},
		"two kinds of the same object": {[]payment.Outside{o("refund", "x", 10), o("refund_reversal", "x", 10)}, 700, 0, 10, 0, payment.StatusPartiallyRefunded},
		"two objects of the same kind": {[]payment.Outside{o("refund", "x", 10), o("refund", "y", 20)}, 670, 0, 30, 0, payment.StatusPartiallyRefunded},
	} {
		t.Run(name, func(t *testing.T) {
			for _, told := range [][]payment.Outside{c.told} {
				p := capturedPayment()
				for _, x := range told {
					next, changed, err := p.WithOutside(x, at())
					if err != nil {
						t.Fatal(err)
					}
					if !changed && cmp.Diff(p, next) != "" || changed && next.Version != p.Version+1 {
						t.Errorf("changed is %t:\n%s", changed, cmp.Diff(p, next))
					}
					p = next
				}
				got := []int64{p.Refundable(), p.ExternalCaptured(), p.ExternalRefunded(), p.Disputed()}
				if p.CapturedReversed() != undone(c.told, "capture_reversal") || p.RefundedReversed() != undone(c.told, "refund_reversal") || p.Capturable() != 200 {
					t.Errorf("undone are %d and %d, %d can be captured", p.CapturedReversed(), p.RefundedReversed(), p.Capturable())
				}
				if diff := cmp.Diff([]int64{c.refundable, c.extCaptured, c.extRefunded, c.disputed}, got); diff != "" || p.Status != c.status {
					t.Errorf("status %s, refundable, external captured and refunded, disputed:\n%s", p.Status, diff)
				}
			}
		})
	}
	for name, bad := range map[string]payment.Outside{"without a name": o("refund", "", 1), "less than nothing": o("refund", "r", -1), "of no kind": o("gift", "g", 1)} {
		if _, _, err := capturedPayment().WithOutside(bad, at()); !errors.Is(err, payment.ErrIllegalTransition) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// undone adds up what was told to have been undone.
func undone(told []payment.Outside, k payment.OutsideKind) (sum int64) {
	for _, o := range told {
		if o.Kind == k {
			sum += o.Amount
		}
	}
	return sum
}

// Goal: an effect that was first taken for somebody else's, and turns out to be
// our operation's, counts once.
func TestOutsideTurnsOutToBeOurs(t *testing.T) {
	p := payment.Payment{Amount: eur(1000), Authorized: 1000, Captured: 500, Status: payment.StatusPartiallyCaptured}
	p, _, err := p.WithOutside(payment.Outside{Object: "re_1", Kind: payment.OutsideRefund, Amount: 200}, at())
	if err != nil {
		t.Fatal(err)
	}
	p, r, err := p.Reserve(payment.Call{Tenant: "t", Method: payment.MethodRefund, Key: "k"}, payment.Order{Amount: new(eur(200))}, payment.Traits{}, at())
	if err != nil {
		t.Fatal(err)
	}
	op := payment.Operation{
		Method: payment.MethodRefund, State: payment.StateSucceeded, Amount: r.Amount, Held: r.Held,
		Attempts: []payment.Attempt{{ProviderReference: "re_1"}},
	}
	after, err := p.After(op, payment.Applied{Amount: eur(200)}, at().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if after.Refunded != 200 || after.ExternalRefunded() != 0 || after.Refundable() != 300 || len(p.Outside) != 1 {
		t.Errorf("refunded %d, external %d, refundable %d", after.Refunded, after.ExternalRefunded(), after.Refundable())
	}
}

// Goal: what a provider gave back beyond what we asked for is gone too: it cannot be
// refunded again, and counts in what its reversal brings back. Method: a refund of which
// more was applied, then the reversal of all of it.
func TestRefundOfMoreThanAskedFor(t *testing.T) {
	p := payment.Payment{Amount: eur(1000), Authorized: 1000, Captured: 1000, Refunded: 300, Status: payment.StatusPartiallyRefunded}
	p, r, err := p.Reserve(payment.Call{Tenant: "t", Method: payment.MethodRefund, Key: "k"}, payment.Order{Amount: new(eur(200))}, payment.Traits{}, at())
	if err != nil {
		t.Fatal(err)
	}
	op := payment.Operation{
		Method: payment.MethodRefund, State: payment.StateSucceeded, Amount: r.Amount, Held: r.Held,
		Attempts: []payment.Attempt{{ProviderReference: "re_1"}},
	}
	if p, err = p.After(op, payment.Applied{Amount: eur(500)}, at()); err != nil || p.Refunded != 500 || p.ExternalRefunded() != 300 {
		t.Fatalf("refunded %d, external %d, %v", p.Refunded, p.ExternalRefunded(), err)
	}
	if p.Refundable() != 200 {
		t.Errorf("%d can be refunded of 1000, of which 800 went back", p.Refundable())
	}
	p, _, err = p.WithOutside(payment.Outside{Object: "re_1", Kind: payment.OutsideRefundReversal, Amount: 500}, at())
	if err != nil || p.Refundable() != 700 {
		t.Errorf("%d can be refunded of 1000, of which 300 went back for good, %v", p.Refundable(), err)
	}
}
