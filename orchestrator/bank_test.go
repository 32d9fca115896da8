package orchestrator_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// bank is a provider whose authorizations wait for the shopper. It honours keys: what
// it answered to one that it executed, it answers again.
type bank struct {
	traits payment.Traits

	credential string // "" means the first one

	mu       sync.Mutex
	status   string         // of the one authorization there is; "" before it arrives
	visits   []visit        // a completion's, in the order in which keys are new; the last one repeats
	sends    []payment.Send // completions
	at       []time.Time
	done     map[payment.ProviderKey]payment.Answer
	turns    map[payment.ProviderKey]int
	cancels  int
	blind    bool  // look-ups fail
	nameless bool  // it does not tell the id of the authorization
	mumbles  bool  // cancels are executed, and nobody hears of it
	amount   int64 // that it says it holds; 0 if it does not say
	captures bool  // what is authorized is captured at once
}

// visit answers one send of a completion. become is called to have its effect; the
// answer is then kept under the key.
type visit func(ctx context.Context, become func(status string) payment.Answer) payment.Answer

const authorization payment.ProviderReference = "auth-1"

func newBank(kind payment.CompletionKind) *bank {
	b := &bank{done: map[payment.ProviderKey]payment.Answer{}, turns: map[payment.ProviderKey]int{}, traits: payment.Traits{
		Driver: "sandbox", Methods: []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodVoid},
		ManualCapture: true, AutomaticCapture: true, MultipleCaptures: true, Query: true, Completion: kind, Fence: payment.FenceByObject,
		ResendWindow: 20 * time.Hour, KeyMax: 64, KeyScope: payment.KeyScopeAccount,
	}}
	if kind == payment.CompletionSend {
		b.traits.Methods = append(b.traits.Methods, payment.MethodComplete)
	}
	return b
}

func (b *bank) Name() payment.AccountName { return "a" }
func (b *bank) Traits() payment.Traits    { return b.traits }
func (b *bank) Credential() string        { return cmp.Or(b.credential, "cred-1") }
func (b *bank) Target() payment.Target {
	return payment.Target{Driver: "sandbox", Environment: payment.EnvironmentSandbox, Host: "a"}
}

func (b *bank) Prepare(s payment.Send) (string, error) {
	if s.Method == payment.MethodComplete && b.traits.Completion != payment.CompletionSend {
		return "", providers.ErrUnsupported
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", s))
	return hex.EncodeToString(sum[:]), nil
}

func (b *bank) Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error) {
	if got, err := b.Prepare(s); err != nil || got != hash {
		return payment.Answer{}, providers.ErrRequestChanged
	}
	b.mu.Lock()
	switch {
	case s.Step.Fence():
		defer b.mu.Unlock()
		b.cancels++
		if b.status != "captured" {
			b.status = "cancelled"
		}
		if b.mumbles {
			return answered(500, ""), nil
		}
		return b.shows(), nil
	case s.Method == payment.MethodAuthorize:
		defer b.mu.Unlock()
		if b.status == "" {
			b.status = "requires_action"
		}
		return b.shows(), nil
	case s.Method == payment.MethodVoid:
		defer b.mu.Unlock()
		b.status = "cancelled"
		a := answered(200, "voided")
		a.Reference = "void-1"
		return a, nil
	case s.Method != payment.MethodComplete:
		defer b.mu.Unlock()
		return authorized("other-1"), nil
	}
	b.sends, b.at = append(b.sends, s), append(b.at, time.Now())
	answer, said := b.done[s.Key]
	next := b.visits[min(len(b.turns), len(b.visits)-1)]
	if n, known := b.turns[s.Key]; known {
		next = b.visits[n]
	} else {
		b.turns[s.Key] = min(len(b.turns), len(b.visits)-1)
	}
	b.mu.Unlock()
	if said {
		return answer, nil
	}
	return next(ctx, func(status string) payment.Answer { return b.become(s.Key, status) }), nil
}

// become has the effect of a completion, once a key and only while the authorization
// waits for it, and answers as the authorization is then.
func (b *bank) become(key payment.ProviderKey, status string) payment.Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, said := b.done[key]; said {
		return a
	}
	if b.status == "requires_action" {
		b.status = status
	}
	b.done[key] = b.shows()
	return b.done[key]
}

// shows is the authorization as an answer. The caller holds mu.
func (b *bank) shows() payment.Answer {
	a := answered(200, b.status)
	if !b.nameless {
		a.Reference = authorization
	}
	if b.amount > 0 {
		a.Amount = &payment.Money{MinorUnits: b.amount, CurrencyCode: "EUR"}
	}
	switch b.status {
	case "declined":
		a.Decline = "authentication_required"
	case "requires_action":
		a.NextAction = &payment.NextAction{RedirectURL: fmt.Sprint("https://bank.example/", len(b.done))}
	}
	if b.status == "authorized" && b.captures {
		b.status, a.Code, a.Captured = "captured", "captured", true
	}
	if a.Code == "captured" {
		a.Captured = true
	}
	return a
}

func (b *bank) Query(_ context.Context, s payment.Send) (payment.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blind || b.status == "" {
		return answered(500, ""), nil
	}
	if s.Method != payment.MethodAuthorize || s.ProviderReference != authorization {
		return payment.Answer{}, providers.ErrUnsupported
	}
	return b.shows(), nil
}

// set makes the authorization another one than it was: the shopper has acted.
func (b *bank) set(status string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *bank) sent() []payment.Send {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sends)
}

// effects is how many authorizations hold or have taken money.
func (b *bank) effects() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status == "authorized" || b.status == "captured" {
		return 1
	}
	return 0
}

// The visits of a shopper.
var (
	approves visit = func(_ context.Context, become func(string) payment.Answer) payment.Answer {
		return become("authorized")
	}
	declines visit = func(_ context.Context, become func(string) payment.Answer) payment.Answer { return become("declined") }
	pends    visit = func(_ context.Context, become func(string) payment.Answer) payment.Answer { return become("pending") }
	mustAct  visit = func(_ context.Context, become func(string) payment.Answer) payment.Answer {
		return become("requires_action")
	}
	fails   visit = func(context.Context, func(string) payment.Answer) payment.Answer { return answered(500, "") }
	refuses visit = func(context.Context, func(string) payment.Answer) payment.Answer {
		return answered(400, "invalid_request")
	}
	// approvesQuietly has its effect, and nobody hears of it for the first time.
	approvesQuietly visit = func(_ context.Context, become func(string) payment.Answer) payment.Answer {
		become("authorized")
		return answered(500, "")
	}
)

// slowly is a visit that is answered later, or never if nobody waits so long.
func slowly(d time.Duration, v visit) visit {
	return func(ctx context.Context, become func(string) payment.Answer) payment.Answer {
		select {
		case <-time.After(d):
			return v(ctx, become)
		case <-ctx.Done():
			return payment.Answer{Transport: payment.TransportTimeout}
		}
	}
}

// atBank runs a test with a payment that waits for its shopper.
func atBank(t *testing.T, b *bank, body func(w *world, id payment.ID, authorize payment.Call)) {
	t.Helper()
	inWorld(t, nil, func(w *world) {
		call, in := newCall("authorize"), instruction("a")
		if b.captures {
			in.CaptureMode = payment.CaptureAutomatic
		}
		if _, err := w.bootAt("zero", b).Authorize(w.Context(), call, in); err != nil {
			t.Fatal(err)
		}
		op := w.operation(call)
		if op.State != payment.StateRequiresAction {
			t.Fatalf("prepared %s", op.State)
		}
		w.store.EndSession("zero") // it takes no share of the work
		body(w, op.PaymentID, call)
	})
}

// bootAt is a process whose one account is at the bank.
func (w *world) bootAt(name payment.BootID, b *bank, change ...func(*orchestrator.Config)) *orchestrator.Orchestrator {
	w.Helper()
	return w.boot(name, append(change, func(c *orchestrator.Config) {
		c.Accounts = []orchestrator.ConfiguredAccount{{Account: b}}
	})...)
}

// owned has somebody own the authorization of a payment who is about to cancel it.
func (w *world) owned(id payment.ID) {
	w.Helper()
	s, err := w.store.Ledger("sweeper").Read(w.Context(), payment.OperationKey{Tenant: "default", ID: w.payment(id).Operations[0]})
	if err != nil {
		w.Fatal(err)
	}
	owned := s.Operation
	owned.Owner, owned.Nonce, owned.OwnerUntil = "sweeper", "nonce", time.Now().Add(time.Minute)
	owned.Epoch++
	if _, err := w.store.Ledger("sweeper").Takeover(w.Context(), s, ledgerChange(owned)); err != nil {
		w.Fatal(err)
	}
}

func back(key payment.IdempotencyKey) payment.Call { return orderCall(payment.MethodComplete, key) }

// brought is what the shopper brings back.
func brought(id payment.ID) payment.Order {
	return payment.Order{Payment: id, ReturnParameters: map[string]string{"result": "PLANTED"}}
}

// together checks how a completion, its authorization and the payment stand.
func (w *world) together(child, parent payment.Call, want [2]payment.State, status payment.Status) {
	w.Helper()
	c, p := w.operation(child), w.operation(parent)
	if got := [2]payment.State{c.State, p.State}; got != want || w.payment(p.PaymentID).Status != status {
		w.Errorf("completion and authorization are %v, the payment %s (%s); want %v, %s", got, w.payment(p.PaymentID).Status, c.ParkReason, want, status)
	}
	open := !c.State.Answers() && !p.State.Final()
	if open != (p.Child == c.Key.ID) || !open && p.Child != "" {
		w.Errorf("the authorization's child is %q", p.Child)
	}
	dump, err := w.store.Dump()
	if problems := dump.Problems(); err != nil || len(problems) != 0 {
		w.Errorf("the records contradict each other: %v, %v", problems, err)
	}
}

// pausedAt makes a process stand still at a point until it is woken.
func pausedAt(point payment.Point, woken <-chan struct{}) func(*orchestrator.Config) {
	return func(c *orchestrator.Config) {
		c.Probe = func(_ context.Context, p payment.Point) {
			if p == point {
				<-woken
			}
		}
	}
}
