package simulation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// account is a provider account as one process sees it. It keeps nothing: what a
// request does is decided when the scheduler lets it through.
type account struct {
	p          *provider
	boot       *boot
	credential string // as configured when the process began
}

var _ orchestrator.Account = (*account)(nil)

// errNotAsked is why a look-up did not take place.
var errNotAsked = errors.New("the provider cannot be asked")

// Name implements orchestrator.Account.
func (a *account) Name() payment.AccountName { return a.p.name }

// Traits implements orchestrator.Account.
func (a *account) Traits() payment.Traits { return a.p.traits }

// Target implements orchestrator.Account.
func (a *account) Target() payment.Target {
	return payment.Target{Driver: a.p.traits.Driver, Environment: payment.EnvironmentSandbox, Host: string(a.p.name)}
}

// Credential implements orchestrator.Account.
func (a *account) Credential() string { return a.credential }

// Prepare implements orchestrator.Account.
func (a *account) Prepare(s payment.Send) (string, error) { return requestOf(s, "").hash(), nil }

// Send implements orchestrator.Account.
func (a *account) Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error) {
	r := requestOf(s, a.credential)
	if r.hash() != hash {
		return payment.Answer{}, fmt.Errorf("%w: for %s", providers.ErrRequestChanged, a.p.name)
	}
	g := &gate{place: atWire, send: &send{thread: threadOf(ctx), request: r, hash: hash, account: a.p, outcome: outcomeOpen}}
	return a.wait(ctx, g)
}

// Query implements orchestrator.Account.
func (a *account) Query(ctx context.Context, s payment.Send) (payment.Answer, error) {
	g := &gate{place: atQuery, send: &send{thread: threadOf(ctx), request: requestOf(s, ""), account: a.p}}
	return a.wait(ctx, g)
}

func (a *account) wait(ctx context.Context, g *gate) (payment.Answer, error) {
	o := a.boot.w.gates.park(ctx, g)
	if o.ended {
		return payment.Answer{Transport: payment.TransportTimeout}, nil
	}
	return o.answer, o.err
}

// request is what goes over the wire.
type request struct {
	method     payment.Method
	step       payment.StepName
	key        payment.ProviderKey
	reference  payment.ReferenceID // ours
	object     payment.ProviderReference
	parent     payment.ProviderReference
	amount     payment.Money
	mode       payment.CaptureMode
	credential string // signed with; no part of the bytes
}

func requestOf(s payment.Send, credential string) request {
	return request{
		method: s.Method, step: s.Step, key: s.Key, reference: s.Reference, object: s.ProviderReference, parent: s.Parent, amount: s.Amount,
		mode: s.Instruction.CaptureMode, credential: credential,
	}
}

// bytes are the part of a request that must be the same in every send.
func (r request) bytes() string {
	return fmt.Sprintf("%s %s %s %s %s %s %s %s", r.method, r.step, r.key, r.reference, r.object, r.parent, r.amount, r.mode)
}

// what names the request for people.
func (r request) what() string {
	if r.step.Fence() {
		return string(r.step) + " of " + string(r.method)
	}
	return string(r.method)
}

func (r request) hash() string {
	sum := sha256.Sum256([]byte(r.bytes()))
	return hex.EncodeToString(sum[:])
}
