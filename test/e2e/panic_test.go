package e2e

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// bomb panics the first time that it is touched at a place.
type bomb struct {
	place string
	gone  atomic.Bool
}

func (b *bomb) at(place string) {
	if place == b.place && b.gone.CompareAndSwap(false, true) {
		panic("scripted: " + place)
	}
}

// bombRenderer and bombAccount have a bomb in each of their methods.
type bombRenderer struct {
	orchestrator.Renderer
	*bomb
}

func (r bombRenderer) Render(p payment.Payment, op payment.Operation) ([]byte, error) {
	if op.State.Answers() {
		r.at("render outcome")
	} else {
		r.at("render interim")
	}
	return r.Renderer.Render(p, op)
}

type bombAccount struct {
	orchestrator.Account
	*bomb
}

func (a bombAccount) Traits() payment.Traits {
	a.at("account.Traits")
	return a.Account.Traits()
}

func (a bombAccount) Prepare(s payment.Send) (string, error) {
	a.at("account.Prepare")
	return a.Account.Prepare(s)
}

func (a bombAccount) Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error) {
	a.at("account.Send")
	defer a.at("after account.Send")
	return a.Account.Send(ctx, s, hash)
}

func (a bombAccount) Query(ctx context.Context, s payment.Send) (payment.Answer, error) {
	a.at("account.Query")
	return a.Account.Query(ctx, s)
}

// panicOnce puts a bomb at a place: in the authentication, in the renderer, in
// the accounts.
func panicOnce(place string) func(*plan) { return (&bomb{place: place}).plant }

func (b *bomb) plant(p *plan) {
	p.chain.Authenticate = func(context.Context) (payment.TenantID, error) {
		b.at("authenticate")
		return "default", nil
	}
	p.flow.Renderer = bombRenderer{p.flow.Renderer, b}
	for i := range p.flow.Accounts {
		p.flow.Accounts[i].Account = bombAccount{p.flow.Accounts[i].Account, b}
	}
}

// Goal: a panic, wherever it is, ends neither the process nor the key. The call
// gets INTERNAL, or an interim answer where the worker broke; the same key then
// brings the outcome, with one effect. Method: one panic at each place in an
// interceptor, in the handler, in the renderer, in the account, and at each
// point of the worker, then a caller that insists. The two points within a
// request's writing are net/http's own goroutine, where nothing of ours runs; a
// fence comes long after the call.
//
// Shows R68.
func TestPanics(t *testing.T) {
	t.Parallel()
	places := map[string]string{ // place → a token that leads there
		"authenticate": "tok_ok", "account.Traits": "tok_ok", "account.Prepare": "tok_ok", "account.Send": "tok_ok",
		"after account.Send": "tok_ok", "render outcome": "tok_ok", "render interim": "tok_timeout", "account.Query": "tok_redirect",
	}
	inTheCall := []string{"authenticate", "account.Traits", "account.Prepare", "render interim", string(payment.PointReplyBefore)}
	lead := map[string]string{
		string(payment.PointParkBefore): "tok_redirect", string(payment.PointParkAfter): "tok_redirect",
		string(payment.PointTakeoverAfter):  "tok_redirect",
		string(payment.PointFailoverBefore): "tok_decline_insufficient_funds", string(payment.PointFailoverAfter): "tok_decline_insufficient_funds",
	}
	elsewhere := []payment.Point{payment.PointSendAfterHeaders, payment.PointSendAfterBody, payment.PointFenceAfter, payment.PointDrainStart, payment.PointWebhookVerified, payment.PointWebhookCommitted}
	for _, point := range payment.Points() {
		if !slices.Contains(elsewhere, point) {
			places[string(point)] = cmp.Or(lead[string(point)], "tok_ok")
		}
	}
	for place, token := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{accounts: []payment.AccountName{"sandbox", "second"}}, func(h *house) {
				b := &bomb{place: place}
				p := h.start("one", func(_ context.Context, at payment.Point) { b.at(string(at)) }, b.plant)
				call := request(token, "sandbox", "second")
				call.GetPaymentMethod().GetTokenSet().GetTokens()[1] = request("tok_ok", "second").GetPaymentMethod().GetTokenSet().GetTokens()[0]
				first := p.authorize(h.Context(), "key", call)
				switch {
				case first.code() == codes.Internal:
					first.refused(codes.Internal, "INTERNAL", "")
					if first.metadata("acquit-should-retry") != "true" || strings.Contains(first.err.Error(), "scripted") {
						t.Errorf("got %v, should retry: %q", first.err, first.metadata("acquit-should-retry"))
					}
				case slices.Contains(inTheCall, place):
					t.Errorf("the call broke and was answered %v", first.err)
				case first.code() != codes.OK:
					t.Errorf("got %v", first.err)
				}
				time.Sleep(10 * time.Second) // the operation's time for another account is not over yet
				h.unblocked()
				if got := p.insist(h.Context(), "key", call).state(); got != "SUCCEEDED" {
					t.Errorf("the same key then brings %s", got)
				}
				if !b.gone.Load() {
					t.Error("nothing panicked: the test tests nothing")
				}
				if !strings.Contains(h.logs.String(), `"msg":"panic `) {
					t.Error("the panic is not in the log")
				}
				if n := h.effects(); n != 1 {
					t.Errorf("%d effects, want 1", n)
				}
			})
		})
	}
}
