package orchestrator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/keyring"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// world is the real orchestrator over the memory ledger and scripted
// providers, in a bubble of fake time.
type world struct {
	*testing.T
	store     *ledgertest.Store
	keys      *keyring.Ring
	table     *mapping.Table
	providers []*provider
}

// inWorld runs a test in a bubble with the named providers, in routing order.
func inWorld(t *testing.T, names []payment.AccountName, body func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		keys, err := keyring.Generate()
		if err != nil {
			t.Fatal(err)
		}
		table, err := mapping.Load()
		if err != nil {
			t.Fatal(err)
		}
		w := &world{T: t, store: ledgertest.NewStore(t, ledgertest.Config{TTL: 15 * time.Second}), keys: keys, table: table}
		w.store.EndSession("reader") // it looks for the tests and is no process that shares the work
		for _, name := range names {
			w.providers = append(w.providers, newProvider(name))
		}
		body(w)
	})
}

// boot starts a process life over the world's store and providers.
func (w *world) boot(name payment.BootID, change ...func(*orchestrator.Config)) *orchestrator.Orchestrator {
	w.Helper()
	cfg := orchestrator.Config{
		Ledger: w.store.Ledger(name), Table: w.table, Keys: w.keys, Renderer: plainRenderer{}, Logger: discard(),
	}
	for _, p := range w.providers {
		cfg.Accounts = append(cfg.Accounts, orchestrator.ConfiguredAccount{Account: p})
	}
	for _, c := range change {
		c(&cfg)
	}
	o, err := orchestrator.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// provider finds a provider by account.
func (w *world) provider(i int) *provider { return w.providers[i] }

// effects is how many effects exist at all providers together.
func (w *world) effects() int {
	n := 0
	for _, p := range w.providers {
		n += len(p.effects())
	}
	return n
}

// operation is the call's operation as the ledger has it.
func (w *world) operation(call payment.Call) payment.Operation {
	w.Helper()
	s, err := w.store.Ledger("reader").Read(w.Context(), call.OperationKey())
	if err != nil {
		w.Fatalf("read the operation: %v", err)
	}
	return s.Operation
}

// state checks where an operation stands, and how many effects exist.
func (w *world) state(call payment.Call, state payment.State, effects int) payment.Operation {
	w.Helper()
	op := w.operation(call)
	if op.State != state {
		w.Errorf("operation is %s (%s), want %s", op.State, op.ParkReason, state)
	}
	if got := w.effects(); got != effects {
		w.Errorf("%d effects, want %d", got, effects)
	}
	if op.State.Final() && op.Sealed != nil {
		w.Error("a final operation keeps its sealed request")
	}
	return op
}

func newCall(key payment.IdempotencyKey) payment.Call {
	return payment.Call{
		Tenant: "default", Method: payment.MethodAuthorize, Key: key, Fingerprint: payment.Fingerprint{Version: 1, Sum: "f"},
		Reference: payment.DeriveReference("default", payment.MethodAuthorize, key),
	}
}

// instruction is for 10.00 EUR with a token on every named account.
func instruction(accounts ...payment.AccountName) payment.Instruction {
	in := payment.Instruction{
		Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"}, CaptureMode: payment.CaptureManual,
		Tokens: map[payment.AccountName]payment.Token{},
	}
	for _, a := range accounts {
		in.Tokens[a] = payment.Token{StoredID: "tok"}
	}
	return in
}

// plainRenderer renders what a test wants to see of an answer.
type plainRenderer struct{}

type plainAnswer struct {
	State  payment.State  `json:"state"`
	Status payment.Status `json:"status"`
}

func (plainRenderer) Render(p payment.Payment, op payment.Operation) ([]byte, error) {
	return json.Marshal(plainAnswer{State: op.State, Status: p.Status})
}

func answerOf(t *testing.T, r payment.Reply) plainAnswer {
	t.Helper()
	var a plainAnswer
	if err := json.Unmarshal(r.Bytes, &a); err != nil {
		t.Fatalf("answer %q: %v", r.Bytes, err)
	}
	return a
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// The lines of a script.
var (
	succeed line = func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
		return authorized(effect())
	}
	fail500 line = func(context.Context, func() payment.ProviderReference) payment.Answer { return answered(500, "") }
	refuse  line = func(context.Context, func() payment.ProviderReference) payment.Answer {
		return answered(429, "rate_limited")
	}
	decline line = func(context.Context, func() payment.ProviderReference) payment.Answer {
		a := answered(402, "declined")
		a.Decline = "insufficient_funds"
		return a
	}
	unreachable line = func(context.Context, func() payment.ProviderReference) payment.Answer {
		return payment.Answer{Transport: payment.TransportNeverSent}
	}
	fail500After line = func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
		effect()
		return answered(500, "")
	}
	lost line = func(ctx context.Context, effect func() payment.ProviderReference) payment.Answer {
		effect()
		<-ctx.Done()
		return payment.Answer{Transport: payment.TransportTimeout}
	}
	explode line = func(context.Context, func() payment.ProviderReference) payment.Answer { panic("scripted") }
)

// logBuffer is what a boot has logged; flights write it while a test reads.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// count is how often a text was logged.
func (b *logBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.buf.Bytes(), []byte(text))
}

// to makes a boot log into the buffer.
func (b *logBuffer) to(c *orchestrator.Config) {
	c.Logger = slog.New(slog.NewTextHandler(b, nil))
}
