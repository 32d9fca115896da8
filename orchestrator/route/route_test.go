package route

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// cards is an account that can do everything but bank transfers.
func cards(name payment.AccountName, change ...func(*Candidate)) Candidate {
	c := Candidate{Name: name, Traits: payment.Traits{
		Methods:       []payment.Method{payment.MethodAuthorize, payment.MethodRefund},
		ManualCapture: true, AutomaticCapture: true,
	}}
	for _, f := range change {
		f(&c)
	}
	return c
}

// question asks to hold 10.00 EUR with a token for a and b.
func question(change ...func(*Question)) Question {
	q := Question{
		Tenant: "shop", Method: payment.MethodAuthorize,
		Instruction: payment.Instruction{
			Amount:      payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
			CaptureMode: payment.CaptureManual,
			Tokens:      map[payment.AccountName]payment.Token{"a": {StoredID: "tok"}, "b": {ClientPayload: json.RawMessage(`{}`)}},
		},
	}
	for _, f := range change {
		f(&q)
	}
	return q
}

// Goal: each thing that can be wrong with an account rejects it with its own
// reason, and the next account is taken. Method: account a changed in one
// respect, or the question; account b fits unless it is said otherwise.
func TestChooseRejects(t *testing.T) {
	bank := func(q *Question) { q.Instruction.BankTransfer = &payment.BankTransfer{Scheme: "sepa"} }
	for name, c := range map[string]struct {
		a    Candidate
		q    Question
		want Reason
	}{
		"nothing is wrong":           {cards("a"), question(), ""},
		"this tenant's own":          {cards("a", func(c *Candidate) { c.Tenants = []payment.TenantID{"x", "shop"} }), question(), ""},
		"another tenant's":           {cards("a", func(c *Candidate) { c.Tenants = []payment.TenantID{"x"} }), question(), ReasonOtherTenant},
		"pinned elsewhere":           {cards("a"), question(func(q *Question) { q.Instruction.Account = "b" }), ReasonPinnedElsewhere},
		"pinned here":                {cards("a"), question(func(q *Question) { q.Instruction.Account = "a" }), ""},
		"already tried":              {cards("a"), question(func(q *Question) { q.Exclude = []payment.AccountName{"z", "a"} }), ReasonTried},
		"method unsupported":         {cards("a", func(c *Candidate) { c.Traits.Methods = []payment.Method{payment.MethodRefund} }), question(), ReasonMethod},
		"cannot hold":                {cards("a", func(c *Candidate) { c.Traits.ManualCapture = false }), question(), ReasonCannotHold},
		"cannot hold, not specified": {cards("a", func(c *Candidate) { c.Traits.ManualCapture = false }), question(func(q *Question) { q.Instruction.CaptureMode = "" }), ReasonCannotHold},
		"need not hold":              {cards("a", func(c *Candidate) { c.Traits.ManualCapture = false }), question(func(q *Question) { q.Instruction.CaptureMode = payment.CaptureAutomatic }), ""},
		"cannot capture at once":     {cards("a", func(c *Candidate) { c.Traits.AutomaticCapture = false }), question(func(q *Question) { q.Instruction.CaptureMode = payment.CaptureAutomatic }), ReasonCannotCapture},
		"currency not taken":         {cards("a", func(c *Candidate) { c.Traits.Currencies = []string{"USD", "GBP"} }), question(), ReasonCurrency},
		"currency taken":             {cards("a", func(c *Candidate) { c.Traits.Currencies = []string{"USD", "EUR"} }), question(), ""},
		"takes no currency":          {cards("a", func(c *Candidate) { c.Traits.Currencies = []string{} }), question(), ReasonCurrency},
		"no token":                   {cards("a"), question(func(q *Question) { delete(q.Instruction.Tokens, "a") }), ReasonNoToken},
		"an empty token":             {cards("a"), question(func(q *Question) { q.Instruction.Tokens["a"] = payment.Token{} }), ReasonNoToken},
		"serves bank transfers only": {cards("a", func(c *Candidate) { c.Traits.BankTransfer = true }), question(), ReasonBankTransferOnly},
		"bank transfer":              {cards("a", func(c *Candidate) { c.Traits.BankTransfer = true }), question(bank), ""},
		"a refund needs no token": {cards("a", func(c *Candidate) { c.Traits.ManualCapture = false }), question(func(q *Question) {
			q.Method, q.Instruction.Tokens = payment.MethodRefund, nil
		}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Choose([]Candidate{c.a, cards("b")}, c.q)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if got.Account != "a" {
					t.Errorf("Choose = %+v, want a", got)
				}
				return
			}
			if got.Account != "b" || len(got.Rejected) != 1 || got.Rejected[0].Account != "a" || got.Rejected[0].Reason != c.want || got.Rejected[0].Detail == "" {
				t.Errorf("Choose = %+v, want b, and a rejected for %s", got, c.want)
			}
		})
	}
	if _, err := Choose([]Candidate{cards("a")}, question(bank)); err == nil {
		t.Error("a bank transfer was routed to an account for cards")
	}
}

// Goal: the configured order decides, and a choice shows all there is to say.
func TestChooseTakesTheFirstThatFits(t *testing.T) {
	noEuro := func(c *Candidate) { c.Traits.Currencies = []string{"USD"} }
	q := question(func(q *Question) {
		for _, n := range []payment.AccountName{"c", "d", "e"} {
			q.Instruction.Tokens[n] = payment.Token{StoredID: "tok"}
		}
	})
	got, err := Choose([]Candidate{cards("d", noEuro), cards("b"), cards("e", noEuro), cards("a"), cards("c")}, q)
	want := Choice{
		Account: "b", Alternatives: []payment.AccountName{"a", "c"},
		Rejected: []Rejection{{"d", ReasonCurrency, "does not take EUR"}, {"e", ReasonCurrency, "does not take EUR"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Choose: %v (-want +got):\n%s", err, diff)
	}
}

// Goal: whoever reads the refusal knows what to change, and learns nothing
// about other tenants.
func TestNoRouteMessage(t *testing.T) {
	theirs := cards("theirs", func(c *Candidate) { c.Tenants = []payment.TenantID{"rival"} })
	yen := func(q *Question) { q.Instruction.Amount.CurrencyCode = "JPY" }
	euro := func(c *Candidate) { c.Traits.Currencies = []string{"EUR"} }
	for name, c := range map[string]struct {
		candidates []Candidate
		q          Question
		want       string
	}{
		"every account with its reason": {
			[]Candidate{cards("a", euro), theirs, cards("c")},
			question(yen),
			"no account can take this: a: does not take JPY; c: the payment method has no token for it",
		},
		"pinned: only the account that was named": {
			[]Candidate{cards("a", euro), cards("b")},
			question(yen, func(q *Question) { q.Instruction.Account = "a" }),
			"no account can take this: a: does not take JPY",
		},
		"pinned to none":             {[]Candidate{cards("a")}, question(func(q *Question) { q.Instruction.Account = "nowhere" }), `there is no account "nowhere"`},
		"pinned to another tenant's": {[]Candidate{cards("a"), theirs}, question(func(q *Question) { q.Instruction.Account = "theirs" }), `there is no account "theirs"`},
		"only others' accounts":      {[]Candidate{theirs}, question(), "no account is configured"},
		"no accounts":                {nil, question(), "no account is configured"},
	} {
		t.Run(name, func(t *testing.T) {
			choice, err := Choose(c.candidates, c.q)
			refused, ok := errors.AsType[*payment.Error](err)
			if !ok || refused.Reason != payment.ReasonNoRoute || refused.Message != c.want {
				t.Errorf("Choose = %v, want NO_ROUTE with %q", err, c.want)
			}
			if choice.Account != "" || len(choice.Rejected) != len(c.candidates) {
				t.Errorf("Choose = %+v, want no account and %d rejections", choice, len(c.candidates))
			}
			if c.q.Instruction.Account != "theirs" && strings.Contains(err.Error(), "theirs") {
				t.Errorf("the message names another tenant's account: %v", err)
			}
		})
	}
}

// Goal: a pause is the last reason not to take an account: what does not fit would not
// after it either. Method: one account that is paused, with and without another reason,
// and another one that fits or does not.
func TestPause(t *testing.T) {
	paused := func(d time.Duration) func(*Candidate) { return func(c *Candidate) { c.Paused = d } }
	long, short := cards("a", paused(20*time.Second)), cards("b", paused(10*time.Second))
	if c, err := Choose([]Candidate{long, cards("b")}, question()); err != nil || c.Account != "b" || c.Rejected[0].Reason != ReasonPaused {
		t.Errorf("beside one that fits: %+v, %v", c, err)
	}
	_, err := Choose([]Candidate{long, short}, question())
	if refused, ok := errors.AsType[*payment.Error](err); !ok || refused.Reason != payment.ReasonOverloaded || refused.RetryAfter != 10*time.Second {
		t.Errorf("all paused: %v", err)
	}
	_, err = Choose([]Candidate{long}, question(func(q *Question) { q.Instruction.Account = "b" }))
	if refused, ok := errors.AsType[*payment.Error](err); !ok || refused.Reason != payment.ReasonNoRoute {
		t.Errorf("one that would not fit either: %v", err)
	}
}
