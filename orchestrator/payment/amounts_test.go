package payment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func eur(units int64) payment.Money { return payment.Money{MinorUnits: units, CurrencyCode: "EUR"} }

func orderOf(units int64) payment.Order {
	if units == 0 {
		return payment.Order{}
	}
	m := eur(units)
	return payment.Order{Amount: &m}
}

// held is a payment with 10.00 EUR authorized.
func held() payment.Payment {
	return payment.Payment{ID: "p", Tenant: "default", Status: payment.StatusAuthorized, Amount: eur(1000), Authorized: 1000}
}

func captured(units int64) payment.Payment {
	p := held()
	p.Captured, p.Status = units, payment.StatusPartiallyCaptured
	if units == p.Authorized {
		p.Status = payment.StatusCaptured
	}
	return p
}

func callFor(m payment.Method, key string) payment.Call {
	return payment.Call{Tenant: "default", Method: m, Key: payment.IdempotencyKey(key)}
}

// Goal: what a payment allows, and with which words it refuses. Method: one
// payment and one order each.
func TestReserve(t *testing.T) {
	voiding, capturing, unknown, pending := held(), held(), held(), held()
	voiding.Voiding, capturing.CaptureReserved, unknown.Status, pending.Status = "v", 400, payment.StatusUnknown, payment.StatusPending
	pending.Authorized = 0
	dollars := payment.Money{MinorUnits: 1, CurrencyCode: "USD"}
	many, once := payment.Traits{MultipleCaptures: true}, payment.Traits{}
	for name, c := range map[string]struct {
		payment payment.Payment
		method  payment.Method
		order   payment.Order
		traits  payment.Traits
		reason  payment.Reason
		amount  int64
		held    int64
		last    bool
	}{
		"capture of a part":                       {payment: held(), method: payment.MethodCapture, order: orderOf(300), traits: many, amount: 300, held: 300},
		"capture of the rest":                     {payment: capturing, method: payment.MethodCapture, traits: many, amount: 600, held: 600},
		"a last capture holds the rest":           {payment: held(), method: payment.MethodCapture, order: payment.Order{Amount: orderOf(300).Amount, Last: true}, traits: many, amount: 300, held: 1000, last: true},
		"a provider that captures once, too":      {payment: held(), method: payment.MethodCapture, order: orderOf(300), traits: once, amount: 300, held: 1000, last: true},
		"capture of more than is left":            {payment: capturing, method: payment.MethodCapture, order: orderOf(601), traits: many, reason: payment.ReasonExceedsAuthorized},
		"capture in another currency":             {payment: held(), method: payment.MethodCapture, order: payment.Order{Amount: &dollars}, traits: many, reason: payment.ReasonCurrencyMismatch},
		"capture while voiding":                   {payment: voiding, method: payment.MethodCapture, order: orderOf(1), traits: many, reason: payment.ReasonNotCapturable},
		"capture of what is unknown":              {payment: unknown, method: payment.MethodCapture, traits: many, reason: payment.ReasonParentUnknown},
		"capture of what is pending":              {payment: pending, method: payment.MethodCapture, traits: many, reason: payment.ReasonNotCapturable},
		"capture of all again":                    {payment: captured(1000), method: payment.MethodCapture, traits: many, reason: payment.ReasonNotCapturable},
		"refund of a part":                        {payment: captured(1000), method: payment.MethodRefund, order: orderOf(250), amount: 250, held: 250},
		"refund of the rest":                      {payment: captured(400), method: payment.MethodRefund, amount: 400, held: 400},
		"refund of more than was captured":        {payment: captured(400), method: payment.MethodRefund, order: orderOf(401), reason: payment.ReasonExceedsCaptured},
		"refund of what is not captured":          {payment: held(), method: payment.MethodRefund, order: orderOf(1), reason: payment.ReasonNotRefundable},
		"refund while the capture is not settled": {payment: capturing, method: payment.MethodRefund, order: orderOf(1), reason: payment.ReasonParentUnknown},
		"void":                         {payment: held(), method: payment.MethodVoid, amount: 1000},
		"void of what is left":         {payment: captured(400), method: payment.MethodVoid, amount: 600},
		"void while a capture is open": {payment: capturing, method: payment.MethodVoid, reason: payment.ReasonNotVoidable},
		"void twice":                   {payment: voiding, method: payment.MethodVoid, reason: payment.ReasonNotVoidable},
		"void of what is pending":      {payment: pending, method: payment.MethodVoid, amount: 1000},
		"void of what is unknown":      {payment: unknown, method: payment.MethodVoid, reason: payment.ReasonParentUnknown},
		"void of what is captured":     {payment: captured(1000), method: payment.MethodVoid, reason: payment.ReasonNotVoidable},
	} {
		t.Run(name, func(t *testing.T) {
			got, r, err := c.payment.Reserve(callFor(c.method, "k"), c.order, c.traits, at())
			if c.reason != "" {
				if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != c.reason {
					t.Fatalf("got %v, want %s", err, c.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Amount.MinorUnits != c.amount || r.Held != c.held || r.Last != c.last {
				t.Errorf("reserved %+v, want %d, held %d, last %t", r, c.amount, c.held, c.last)
			}
			if len(got.Operations) != 1 || got.Version != c.payment.Version+1 {
				t.Errorf("the payment does not know the operation: %+v", got)
			}
		})
	}
}

// Goal: whatever operations come and end in whichever order, captures never add
// up to more than was authorized nor refunds to more than was captured, and a
// reservation is given back by a final state only. Method: random walks over
// open operations, checked after every step against a plain account of them.
func TestAmountsHoldOnRandomWalks(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			p, open := held(), []payment.Operation{}
			for step := range 60 {
				if m := methods()[1+random.IntN(3)]; random.IntN(2) == 0 {
					call := callFor(m, fmt.Sprint(step))
					order := orderOf(random.Int64N(400))
					order.Last = random.IntN(8) == 0
					next, r, err := p.Reserve(call, order, payment.Traits{MultipleCaptures: true}, at())
					if err == nil {
						p = next
						open = append(open, payment.Operation{Key: call.OperationKey(), Method: m, State: payment.StateIntent, Amount: r.Amount, Held: r.Held, Last: r.Last})
					}
				} else if len(open) > 0 {
					i := random.IntN(len(open))
					op := open[i]
					before := op
					op.State = []payment.State{payment.StateUnknown, payment.StatePending, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed}[random.IntN(5)]
					applied := payment.Applied{Amount: eur(max(1, op.Amount.MinorUnits-random.Int64N(3)))}
					next, err := p.After(op, applied, at())
					if err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
					if !op.Touches(before) {
						next.Version, next.Updated = p.Version, p.Updated
					}
					p = next
					if open[i] = op; op.State.Final() {
						open = append(open[:i], open[i+1:]...)
					}
				}
				check(t, p, open)
			}
		})
	}
}

func check(t *testing.T, p payment.Payment, open []payment.Operation) {
	t.Helper()
	var captures, refunds, voids int64
	for _, op := range open {
		switch op.Method {
		case payment.MethodCapture:
			captures += op.Held
		case payment.MethodRefund:
			refunds += op.Held
		case payment.MethodVoid:
			voids++
		case payment.MethodAuthorize, payment.MethodComplete:
		}
	}
	if p.CaptureReserved != captures || p.RefundReserved != refunds || (p.Voiding != "") != (voids == 1) || voids > 1 {
		t.Fatalf("reserved %d, %d, voiding %q; open operations hold %d, %d and %d voids", p.CaptureReserved, p.RefundReserved, p.Voiding, captures, refunds, voids)
	}
	if p.Captured+p.CaptureReserved > p.Authorized || p.Refunded+p.RefundReserved > p.Captured || p.Authorized+p.Released != 1000 {
		t.Fatalf("amounts overrun: %+v", p)
	}
	if voids == 1 && captures > 0 {
		t.Fatalf("a void and a capture are open at once: %+v", p)
	}
}
