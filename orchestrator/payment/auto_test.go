package payment_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// authorized is a payment whose authorization has just succeeded, and what the
// provider said of it.
func authorized(t *testing.T, mode payment.CaptureMode, early []payment.Outside, captured bool) payment.Payment {
	t.Helper()
	op := in(t, payment.StateSucceeded)
	p := payment.Payment{ID: op.PaymentID, Amount: op.Amount, CaptureMode: mode, Status: payment.StatusAuthorizing, Outside: early}
	p, err := p.After(op, payment.Applied{Amount: op.Amount, Captured: captured}, at())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Goal: what the provider is to capture by itself can be neither captured nor voided
// by us until it tells that it has, how much, or that it has not; told again it
// changes nothing. Method: tellings before and after the answer, of all, of less, of
// more and of nothing.
func TestAutomaticCaptureIsAwaited(t *testing.T) {
	o := func(object payment.ProviderReference, amount int64) payment.Outside {
		return payment.Outside{Object: object, Kind: payment.OutsideCapture, Amount: amount}
	}
	for name, c := range map[string]struct {
		mode                                               payment.CaptureMode
		early, told                                        []payment.Outside
		answered                                           bool
		captured, reserved, capturable, refundable, excess int64
		status                                             payment.Status
	}{
		"by hand":         {mode: payment.CaptureManual, capturable: 1000, status: payment.StatusAuthorized},
		"in the answer":   {mode: payment.CaptureAutomatic, answered: true, captured: 1000, refundable: 1000, status: payment.StatusCaptured},
		"not told yet":    {mode: payment.CaptureAutomatic, reserved: 1000, status: payment.StatusAuthorized},
		"told":            {mode: payment.CaptureAutomatic, told: []payment.Outside{o("c", 1000)}, captured: 1000, refundable: 1000, status: payment.StatusCaptured},
		"told twice":      {mode: payment.CaptureAutomatic, told: []payment.Outside{o("c", 1000), o("c", 1000)}, captured: 1000, refundable: 1000, status: payment.StatusCaptured},
		"less":            {mode: payment.CaptureAutomatic, told: []payment.Outside{o("c", 400)}, captured: 400, capturable: 600, refundable: 400, status: payment.StatusPartiallyCaptured},
		"more":            {mode: payment.CaptureAutomatic, told: []payment.Outside{o("c", 1100)}, captured: 1000, refundable: 1000, excess: 100, status: payment.StatusCaptured},
		"it came to none": {mode: payment.CaptureAutomatic, told: []payment.Outside{o("c", 0)}, capturable: 1000, status: payment.StatusAuthorized},
		"another one too": {mode: payment.CaptureAutomatic, told: []payment.Outside{o("c", 1000), o("d", 50)}, captured: 1000, refundable: 1000, excess: 50, status: payment.StatusCaptured},
		"before the answer": {
			mode: payment.CaptureAutomatic, early: []payment.Outside{o("c", 1000)}, told: []payment.Outside{o("c", 1000)},
			captured: 1000, refundable: 1000, status: payment.StatusCaptured,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := authorized(t, c.mode, c.early, c.answered)
			for _, told := range c.told {
				var err error
				if p, _, err = p.WithOutside(told, at()); err != nil {
					t.Fatal(err)
				}
			}
			got := []int64{p.Captured, p.CaptureReserved, p.Capturable(), p.Refundable(), p.ExternalCaptured()}
			want := []int64{c.captured, c.reserved, c.capturable, c.refundable, c.excess}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("captured, reserved, capturable, refundable, external %v, want %v", got, want)
				}
			}
			if p.Status != c.status || p.Captured+p.CaptureReserved > p.Authorized {
				t.Errorf("it is %s, want %s: %+v", p.Status, c.status, p)
			}
		})
	}
}

// Goal: a capture that came to nothing leaves no trace where nobody waits for it, and
// ends the wait where the authorization is told to have succeeded after it. Method: each.
func TestCaptureThatCameToNothing(t *testing.T) {
	none := payment.Outside{Object: "c", Kind: payment.OutsideCapture}
	p := authorized(t, payment.CaptureManual, nil, false)
	if next, changed, err := p.WithOutside(none, at()); changed || err != nil || len(next.Outside) != 0 {
		t.Errorf("it changes: %t, %v, %+v", changed, err, next.Outside)
	}
	early, changed, err := payment.Payment{Amount: eur(1000), CaptureMode: payment.CaptureAutomatic}.WithOutside(none, at())
	if !changed || err != nil {
		t.Fatalf("told early it is forgotten: %v", err)
	}
	if p := authorized(t, payment.CaptureAutomatic, early.Outside, false); p.Capturable() != 1000 || p.AutoReserved != 0 || len(p.Outside) != 0 {
		t.Errorf("told early, then authorized: %+v", p)
	}
}

// Goal: what the provider captures by itself, late, is the payment's own capture, and can
// be refunded: after it told that it could not, or that the hold has ended. What is not
// the provider's to take stays somebody else's. Method: each order of tellings.
func TestLateAutomaticCapture(t *testing.T) {
	o := func(object payment.ProviderReference, kind payment.OutsideKind, amount int64) payment.Outside {
		return payment.Outside{Object: object, Kind: kind, Amount: amount}
	}
	none, took, retook := o("c", payment.OutsideCapture, 0), o("c", payment.OutsideCapture, 1000), o("d", payment.OutsideCapture, 1000)
	less, more := o("d", payment.OutsideCapture, 400), o("d", payment.OutsideCapture, 1100)
	lapsed, ended := o("e", payment.OutsideExpiry, 0), o("v", payment.OutsideVoid, 0)
	type sums struct{ Authorized, Captured, Released, Refundable, External int64 }
	all := sums{1000, 1000, 0, 1000, 0}
	for name, c := range map[string]struct {
		mode   payment.CaptureMode
		early  []payment.Outside
		told   []payment.Outside
		change func(*payment.Payment) // before it is told the last
		want   sums
		status payment.Status
	}{
		"it could not, then it did":             {told: []payment.Outside{none, took}, want: all, status: payment.StatusCaptured},
		"told twice":                            {told: []payment.Outside{none, took, took, none}, want: all, status: payment.StatusCaptured},
		"under another name":                    {told: []payment.Outside{none, retook}, want: all, status: payment.StatusCaptured},
		"and another":                           {told: []payment.Outside{none, took, retook}, want: sums{1000, 1000, 0, 1000, 1000}, status: payment.StatusCaptured},
		"in the wrong order":                    {told: []payment.Outside{retook, none}, want: all, status: payment.StatusCaptured},
		"both before the answer":                {early: []payment.Outside{none, retook}, want: sums{1000, 1000, 0, 1000, 0}, status: payment.StatusCaptured},
		"it could not before the answer":        {early: []payment.Outside{none}, told: []payment.Outside{took}, want: all, status: payment.StatusCaptured},
		"less":                                  {told: []payment.Outside{none, less}, want: sums{1000, 400, 0, 400, 0}, status: payment.StatusPartiallyCaptured},
		"more":                                  {told: []payment.Outside{none, more}, want: sums{1000, 1000, 0, 1000, 100}, status: payment.StatusCaptured},
		"beside an open capture of ours":        {told: []payment.Outside{none, took}, change: func(p *payment.Payment) { p.CaptureReserved = 1000 }, want: sums{1000, 0, 0, 0, 1000}, status: payment.StatusAuthorized},
		"beside what we captured":               {told: []payment.Outside{none, less}, change: func(p *payment.Payment) { p.Captured = 1000 }, want: sums{1000, 1000, 0, 1000, 400}, status: payment.StatusCaptured},
		"the hold lapsed":                       {told: []payment.Outside{lapsed, took}, want: all, status: payment.StatusCaptured},
		"the hold lapsed, it could not":         {told: []payment.Outside{lapsed, none, took, took}, want: all, status: payment.StatusCaptured},
		"it could not, and the hold lapsed":     {told: []payment.Outside{none, lapsed, took}, want: all, status: payment.StatusCaptured},
		"the hold lapsed, less":                 {told: []payment.Outside{lapsed, less}, want: sums{400, 400, 600, 400, 0}, status: payment.StatusCaptured},
		"the hold lapsed, more":                 {told: []payment.Outside{lapsed, more}, want: sums{1000, 1000, 0, 1000, 100}, status: payment.StatusCaptured},
		"somebody ended it":                     {told: []payment.Outside{ended, took}, want: all, status: payment.StatusCaptured},
		"captured before it lapsed":             {told: []payment.Outside{took, lapsed}, want: all, status: payment.StatusCaptured},
		"by hand, the hold lapsed":              {mode: payment.CaptureManual, told: []payment.Outside{lapsed, took}, want: sums{0, 0, 1000, 0, 1000}, status: payment.StatusExpired},
		"by hand, it is held":                   {mode: payment.CaptureManual, told: []payment.Outside{took}, want: sums{1000, 0, 0, 0, 1000}, status: payment.StatusAuthorized},
		"we voided it, after it could not":      {told: []payment.Outside{none, took}, change: func(p *payment.Payment) { p.Authorized, p.Released, p.Status = 0, 1000, payment.StatusVoided }, want: sums{0, 0, 1000, 0, 1000}, status: payment.StatusVoided},
		"nothing is told but that it could not": {told: []payment.Outside{none, none}, want: sums{1000, 0, 0, 0, 0}, status: payment.StatusAuthorized},
	} {
		t.Run(name, func(t *testing.T) {
			if c.mode == "" {
				c.mode = payment.CaptureAutomatic
			}
			p := authorized(t, c.mode, c.early, false)
			for i, told := range c.told {
				if i == len(c.told)-1 && c.change != nil {
					c.change(&p)
				}
				var err error
				if p, _, err = p.WithOutside(told, at()); err != nil {
					t.Fatal(err)
				}
			}
			got := sums{p.Authorized, p.Captured, p.Released, p.Refundable(), p.ExternalCaptured()}
			if got != c.want || p.Status != c.status {
				t.Errorf("it is %s with %+v, want %s with %+v", p.Status, got, c.status, c.want)
			}
			if reserved := p.CaptureReserved; p.Captured+reserved > p.Authorized || p.AutoReserved > reserved || p.Authorized+p.Released != 1000 {
				t.Errorf("the amounts do not fit: %+v", p)
			}
		})
	}
}

// Goal: a hold that has ended at the provider can be captured no more, once, and the
// payment says how it ended; what we have ended ourselves is no news. Method: both
// ends of a hold of which nothing, some, all was captured, and of one that is being
// voided, or was.
func TestHoldEndsAtTheProvider(t *testing.T) {
	for name, c := range map[string]struct {
		kind     payment.OutsideKind
		change   func(*payment.Payment)
		changed  bool
		released int64
		status   payment.Status
	}{
		"it lapses":                         {payment.OutsideExpiry, func(*payment.Payment) {}, true, 1000, payment.StatusExpired},
		"somebody cancels it":               {payment.OutsideVoid, func(*payment.Payment) {}, true, 1000, payment.StatusVoided},
		"after a capture":                   {payment.OutsideExpiry, func(p *payment.Payment) { p.Captured = 400 }, true, 600, payment.StatusCaptured},
		"beside an open capture":            {payment.OutsideExpiry, func(p *payment.Payment) { p.CaptureReserved = 400 }, true, 600, payment.StatusAuthorized},
		"all was captured":                  {payment.OutsideExpiry, func(p *payment.Payment) { p.Captured, p.Status = 1000, payment.StatusCaptured }, false, 0, payment.StatusCaptured},
		"before the provider's own capture": {payment.OutsideVoid, func(p *payment.Payment) { p.CaptureReserved, p.AutoReserved = 1000, 1000 }, true, 1000, payment.StatusVoided},
		"we are voiding it":                 {payment.OutsideVoid, func(p *payment.Payment) { p.Voiding = "v1" }, true, 1000, payment.StatusVoided},
		"we have voided it":                 {payment.OutsideVoid, func(p *payment.Payment) { p.Authorized, p.Status, p.Unique = 0, payment.StatusVoided, false }, false, 0, payment.StatusVoided},
	} {
		t.Run(name, func(t *testing.T) {
			p := authorized(t, payment.CaptureManual, nil, false)
			p.Unique, p.MerchantReference = true, "order"
			c.change(&p)
			o := payment.Outside{Object: "end", Kind: c.kind, Time: at().Add(time.Hour)}
			next, changed, err := p.WithOutside(o, at())
			if err != nil || changed != c.changed || next.Status != c.status || next.Released != c.released {
				t.Fatalf("changed %t, %v: %+v", changed, err, next)
			}
			if next.Unique != next.Status.Live() {
				t.Errorf("it has its merchant reference: %t, as %s", next.Unique, next.Status)
			}
			if _, again, err := next.WithOutside(o, at()); again || err != nil {
				t.Errorf("told again it changes: %v", err)
			}
			if next.Capturable() != 0 && c.changed {
				t.Errorf("%d can still be captured", next.Capturable())
			}
		})
	}
}

// Goal: a hold that has ended stays ended, whatever ends after it: a capture that fails
// gives nothing back that could be captured again, and an authorization of which the end
// was told first holds nothing. Method: each of them.
func TestHoldStaysEnded(t *testing.T) {
	end := payment.Outside{Object: "end", Kind: payment.OutsideExpiry, Time: at()}
	p := authorized(t, payment.CaptureManual, nil, false)
	p, r, err := p.Reserve(payment.Call{Tenant: "t", Method: payment.MethodCapture, Key: "c"}, payment.Order{}, payment.Traits{}, at())
	if err != nil {
		t.Fatal(err)
	}
	if p, _, err = p.WithOutside(end, at()); err != nil || p.CaptureReserved != 1000 {
		t.Fatalf("reserved %d, %v", p.CaptureReserved, err)
	}
	op := payment.Operation{Method: payment.MethodCapture, State: payment.StateFailed, Held: r.Held, Amount: r.Amount, Attempts: []payment.Attempt{{}}}
	if p, err = p.After(op, payment.Applied{}, at()); err != nil || p.Capturable() != 0 || p.Released != 1000 || p.Status != payment.StatusExpired {
		t.Errorf("after the capture failed: %+v, %v", p, err)
	}
	for _, mode := range []payment.CaptureMode{payment.CaptureManual, payment.CaptureAutomatic} {
		if p := authorized(t, mode, []payment.Outside{end}, false); p.Capturable() != 0 || p.CaptureReserved != 0 || p.Status != payment.StatusExpired {
			t.Errorf("told before the answer, captured %s: %+v", mode, p)
		}
	}
}
