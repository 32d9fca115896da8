package orchestrator_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// provider is a scripted provider that honours idempotency keys: the n-th send
// is answered by the n-th line of its script, the last line repeats.
type provider struct {
	name   payment.AccountName
	traits payment.Traits
	driver string // whose rows judge its answers

	mu         sync.Mutex
	credential string
	script     []line // for authorizations
	orders     []line // for operations on a payment
	ordered    int    // of sent, such operations
	sent       []payment.Send
	unsigned   int // of the next sends, how many cannot be signed
	answered   int // of sent, before the script was replaced
	at         []time.Time
	applied    map[payment.ProviderKey]payment.ProviderReference
	wire       int // of sent, what reached the provider
	lookups    int
	cancels    []canceller // for fences, the last one repeats
	fences     []payment.Send
	cancelled  map[payment.ProviderReference]bool
	byName     map[payment.ReferenceID]payment.ProviderReference
	captures   bool   // what it authorizes is captured at once, and cannot be cancelled
	lagging    bool   // look-ups do not show what is merely there
	code       string // that look-ups show, if not what is there
}

// canceller answers one cancel. found is what there is to cancel, "" if nothing.
type canceller func(p *provider, found payment.ProviderReference) payment.Answer

// line answers one send. effect is called to make the effect happen, once a key.
type line func(ctx context.Context, effect func() payment.ProviderReference) payment.Answer

func newProvider(name payment.AccountName) *provider {
	return &provider{
		name: name, driver: "sandbox", credential: "cred-1", script: []line{succeed}, orders: []line{succeed}, applied: map[payment.ProviderKey]payment.ProviderReference{},
		cancels: []canceller{cancelIt}, cancelled: map[payment.ProviderReference]bool{}, byName: map[payment.ReferenceID]payment.ProviderReference{},
		traits: payment.Traits{
			Driver: "sandbox", Methods: []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid},
			ManualCapture: true, MultipleCaptures: true,
			ResendWindow: 20 * time.Hour, KeyMax: 64, KeyScope: payment.KeyScopeCredential,
		},
	}
}

func (p *provider) Name() payment.AccountName { return p.name }

func (p *provider) Traits() payment.Traits { return p.traits }

func (p *provider) Target() payment.Target {
	return payment.Target{Driver: p.driver, Environment: payment.EnvironmentSandbox, Host: string(p.name)}
}

func (p *provider) Credential() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.credential
}

func (p *provider) Prepare(s payment.Send) (string, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", s))
	return hex.EncodeToString(sum[:]), nil
}

func (p *provider) Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error) {
	if got, err := p.Prepare(s); err != nil || got != hash {
		return payment.Answer{}, fmt.Errorf("%w: %w", providers.ErrRequestChanged, err)
	}
	if s.Step.Fence() {
		return p.cancel(s), nil
	}
	p.mu.Lock()
	if p.unsigned > 0 {
		defer p.mu.Unlock()
		p.unsigned--
		return payment.Answer{}, fmt.Errorf("%w: no token", providers.ErrUnsigned)
	}
	n, script := len(p.sent)-p.ordered-p.answered, p.script
	if s.Method != payment.MethodAuthorize {
		n, script = p.ordered, p.orders
		p.ordered++
	}
	p.sent, p.at = append(p.sent, s), append(p.at, time.Now())
	step := script[min(n, len(script)-1)]
	p.mu.Unlock()
	answer := step(ctx, func() payment.ProviderReference {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.applied[s.Key] == "" {
			p.applied[s.Key] = payment.ProviderReference(fmt.Sprintf("%s-%d", p.name, len(p.applied)+1))
			p.byName[s.Reference] = p.applied[s.Key]
		}
		return p.applied[s.Key]
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if !answer.Transport.Unsent() {
		p.wire++
	}
	if answer.Code == "authorized" {
		answer.Code = doneCode(s.Method)
	}
	return answer, nil
}

func (p *provider) Query(_ context.Context, s payment.Send) (payment.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookups++
	ref := p.applied[s.Key]
	a := authorized(ref)
	a.Code = doneCode(s.Method)
	switch {
	case p.code == "declined":
		a.Code, a.Decline = p.code, "insufficient_funds"
	case p.code != "":
		a.Code = p.code
	case ref != "" && p.cancelled[ref]:
		a.Code = "cancelled"
	case ref == "" || (p.lagging && !p.captures):
		return answered(404, "not_found"), nil
	case p.captures && s.Method == payment.MethodAuthorize:
		a.Code, a.Captured = "captured", true
	}
	return a, nil
}

// show makes look-ups show a code, which as a decline means that what was accepted
// comes to nothing.
func (p *provider) show(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.code = code; code == "declined" {
		for _, ref := range p.applied {
			p.cancelled[ref] = true
		}
	}
}

// cancel answers a fence: by our reference, or by the object's id, as declared.
func (p *provider) cancel(s payment.Send) payment.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := s.ProviderReference
	if p.traits.Fence == payment.FenceByReference {
		found = p.byName[s.Reference]
	}
	answer := p.cancels[min(len(p.fences), len(p.cancels)-1)]
	p.fences = append(p.fences, s)
	return answer(p, found)
}

// cancelIt does what a cancel asks for, and says so.
func cancelIt(p *provider, found payment.ProviderReference) payment.Answer {
	switch {
	case found == "":
		return answered(404, "nothing_found")
	case p.captures:
		return cancelRefused(p, found)
	}
	p.cancelled[found] = true
	a := answered(200, "cancelled")
	a.Reference = found
	return a
}

// cancelQuietly does what a cancel asks for, and its answer is lost.
func cancelQuietly(p *provider, found payment.ProviderReference) payment.Answer {
	cancelIt(p, found)
	return payment.Answer{Transport: payment.TransportTimeout}
}

// cancelNot does nothing, and nobody knows.
func cancelNot(*provider, payment.ProviderReference) payment.Answer { return answered(500, "") }

// cancelRefused says no for good, and does nothing.
func cancelRefused(*provider, payment.ProviderReference) payment.Answer {
	a := answered(422, "failed")
	a.Decline = "already_captured"
	return a
}

// fencesSent are the cancels that were sent.
func (p *provider) fencesSent() []payment.Send {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.fences)
}

// answer replaces the script of a provider that has been asked already.
func (p *provider) answer(lines ...line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script, p.sent = lines, slices.Clip(p.sent)
	p.answered = len(p.sent)
}

// effects lists what happened at the provider and was not released by a cancel.
func (p *provider) effects() map[payment.ProviderKey]payment.ProviderReference {
	p.mu.Lock()
	defer p.mu.Unlock()
	there := make(map[payment.ProviderKey]payment.ProviderReference)
	for key, ref := range p.applied {
		if !p.cancelled[ref] {
			there[key] = ref
		}
	}
	return there
}

func (p *provider) sends() []payment.Send {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// onTheWire is how many sends reached the provider.
func (p *provider) onTheWire() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wire
}

// doneCode is how the table spells that a method was done.
func doneCode(m payment.Method) string {
	switch m {
	case payment.MethodCapture:
		return "captured"
	case payment.MethodRefund:
		return "refunded"
	case payment.MethodVoid:
		return "voided"
	case payment.MethodAuthorize, payment.MethodComplete:
	}
	return "authorized"
}

// times are when sends came in.
func (p *provider) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func answered(status int, code string) payment.Answer {
	return payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: status, Code: code}
}

func authorized(ref payment.ProviderReference) payment.Answer {
	a := answered(200, "authorized")
	a.Reference = ref
	return a
}

// after is a line that is answered later.
func after(d time.Duration, l line) line {
	return func(ctx context.Context, effect func() payment.ProviderReference) payment.Answer {
		select {
		case <-time.After(d):
			return l(ctx, effect)
		case <-ctx.Done():
			return payment.Answer{Transport: payment.TransportTimeout}
		}
	}
}

// sameRequest checks that every send of a provider was the same, key and all.
func sameRequest(t *testing.T, sends []payment.Send) {
	t.Helper()
	for _, s := range sends[1:] {
		if diff := cmp.Diff(sends[0], s); diff != "" {
			t.Errorf("sends differ:\n%s", diff)
		}
	}
}
