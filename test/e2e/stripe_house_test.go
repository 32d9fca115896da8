package e2e

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// stripeCredential is the secret of every account of Stripe's.
const stripeCredential = "sk_test_PLANTEDCREDENTIAL"

// lag is how far Stripe's search is behind in most tests.
const lag = time.Minute

// stripeAccount is one account at Stripe.
type stripeAccount struct {
	remote

	*stripesim.Simulator
}

func newStripe(h *house, account payment.AccountName, c stripesim.Config) *stripeAccount {
	h.Helper()
	a := &stripeAccount{remote: newRemote(account, stripe.Name, stripeCredential), Simulator: stripesim.New(c)}
	h.serves(a.remote, a.Simulator)
	return a
}

// atStripe runs a test in a house whose only account, stripe, is at Stripe.
func atStripe(t *testing.T, c stripesim.Config, body func(*house, *stripeAccount)) {
	t.Helper()
	inHouse(t, setting{accounts: []payment.AccountName{"stripe"}, stripe: &c}, func(h *house) { body(h, h.stripes[0]) })
}

// stripe is an account of Stripe's; nil if it is none.
func (h *house) stripe(account payment.AccountName) *stripeAccount { return at(h.stripes, account) }

// writes are the requests that can have an effect, under a key; all of them under "".
func (a *stripeAccount) writes(key payment.ProviderKey) []account.Request {
	return slices.DeleteFunc(a.Requests(), func(r account.Request) bool {
		return r.Method != http.MethodPost || (key != "" && r.Key != string(key))
	})
}

// pays is a request of ten euro at the account stripe. Its idempotency key is to
// be planted: see planted.
func pays(card string, change ...func(*acquitv1.AuthorizeRequest)) *acquitv1.AuthorizeRequest {
	r := request(card, "stripe")
	for _, f := range change {
		f(r)
	}
	return r
}

// automatic asks to take the money at once.
func automatic(r *acquitv1.AuthorizeRequest) {
	r.CaptureMode = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC
}

// planted is an idempotency key that would be recognised where it does not belong.
func planted(name string) string { return "PLANTEDKEY-" + name }

// sweeps is a process that looks after what is due, as the server does.
func (h *house) sweeps(boot payment.BootID) *process {
	h.Helper()
	p := h.start(boot, nil)
	s, err := reconcile.New(reconcile.Config{Ledger: h.store.Ledger(boot), Visitor: p.flow, Logger: h.logger()})
	if err != nil {
		h.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.Context()))
	var sweeping sync.WaitGroup
	sweeping.Go(func() { s.Run(ctx) })
	h.Cleanup(func() { // before the process drains, which would refuse it
		stop()
		sweeping.Wait()
	})
	return p
}

// sums is a payment in short.
type sums struct {
	Status                                             string
	Authorized, Captured, Refunded, Reserved, Released int64
}

// seen is an operation in short: its last attempt counts.
type seen struct {
	State, Row, Evidence string
	Sends                int
}

func sumsOf(p *acquitv1.Payment) sums {
	return sums{
		strings.TrimPrefix(p.GetStatus().String(), "PAYMENT_STATUS_"), p.GetAuthorized().GetMinorUnits(), p.GetCaptured().GetMinorUnits(),
		p.GetRefunded().GetMinorUnits(), p.GetReserved().GetMinorUnits(), p.GetReleased().GetMinorUnits(),
	}
}

func seenOf(op *acquitv1.Operation) seen {
	attempts := op.GetAttempts()
	last := attempts[len(attempts)-1]
	return seen{stateOf(op), last.GetMappingRow(), evidenceOf(last), int(last.GetSends())}
}

// shows checks what a reader is told of a payment and of its newest operation.
func (p *process) shows(id string, op seen, of sums) *acquitv1.GetPaymentResponse {
	p.h.Helper()
	read, err := p.payment(p.h.Context(), id)
	if err != nil {
		p.h.Fatal(err)
	}
	newest := read.GetOperations()[len(read.GetOperations())-1]
	got := seenOf(newest)
	if got.Sends == 0 && strings.Contains(got.Row, ".query.") {
		got.Sends = op.Sends // a webhook that is faster than the answer counts none
	}
	if got != op {
		p.h.Errorf("the operation is\n%+v, want\n%+v (parked: %q)", got, op, p.h.parked())
	}
	if got := sumsOf(read.GetPayment()); got != of {
		p.h.Errorf("the payment is\n%+v, want\n%+v", got, of)
	}
	return read
}

// parked is why the operations that are open are.
func (h *house) parked() []string {
	h.Helper()
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	var reasons []string
	for _, op := range dump.Operations {
		if !op.State.Final() {
			reasons = append(reasons, op.ParkReason)
		}
	}
	return reasons
}

// held and charged are of the ten euro that every call asks for.
func held() account.Effect { return effect(stripesim.KindHold, 1000) }

func charged() account.Effect { return effect(stripesim.KindCharge, 1000) }

// taken and the others are of so much.
func taken(units int64) account.Effect { return effect(stripesim.KindCapture, units) }

func released(units int64) account.Effect { return effect(stripesim.KindRelease, units) }

func refunded(units int64) account.Effect { return effect(stripesim.KindRefund, units) }

func bounced(units int64) account.Effect { return effect(stripesim.KindRefundFailed, units) }
