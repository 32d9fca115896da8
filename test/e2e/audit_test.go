package e2e

import (
	"bytes"
	"slices"
	"sync"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// audit holds every record against the providers' logs: at most one effect an
// operation and none without a record, exactly one where it succeeded, none
// where it was declined or failed; each effect of what was asked for; an open
// operation is owned by nobody and somebody will look at it; nothing final keeps
// its sealed request. It runs when nothing is under way any longer.
func (h *house) audit() {
	h.Helper()
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	h.unblocked()
	known := 0
	for _, op := range dump.Operations {
		effects := h.effectsOf(op)
		known += len(effects)
		_, open := dump.Open[op.Key]
		if op.Joint() {
			h.joined(op, dump.Operations[payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Parent}])
		}
		switch {
		case len(effects) > 1:
			h.Errorf("operation in %s has %d effects: %+v", op.State, len(effects), effects)
		case op.State == payment.StateSucceeded && len(effects) != 1 && !op.Joint():
			h.Errorf("operation in %s has %d effects", op.State, len(effects))
		case (op.State == payment.StateDeclined || op.State == payment.StateFailed) && len(effects) != 0:
			h.Errorf("operation in %s has an effect: %+v", op.State, effects)
		case op.State.Final() == open:
			h.Errorf("operation in %s: in the open index: %t", op.State, open)
		case op.State == payment.StateIntent:
			h.Errorf("an operation was left in %s", op.State)
		case op.State.Final() && op.Sealed != nil, !op.State.Final() && op.Sealed == nil:
			h.Errorf("operation in %s keeps its sealed request: %t", op.State, op.Sealed != nil)
		case op.State.Answers() != (op.Response != nil):
			h.Errorf("operation in %s has a response: %t", op.State, op.Response != nil)
		}
		for _, e := range effects {
			if e.Amount > op.Amount.MinorUnits || e.Currency != op.Amount.CurrencyCode {
				h.Errorf("an effect of %d %s for an operation of %s", e.Amount, e.Currency, op.Amount)
			}
		}
	}
	if all := h.effects(); all != known {
		h.Errorf("%d effects at the providers, %d of them belong to an operation", all, known)
	}
	h.auditStripe()
	h.auditAdyen()
	h.auditAmazon()
	h.auditTrueLayer()
}

// joined checks that an operation that is one with its authorization has no effect of
// its own; that a completion ends as that does unless it failed alone, and a void that
// called it off succeeds where that had no effect.
func (h *house) joined(op, parent payment.Operation) {
	h.Helper()
	if effects := h.effectsOf(op); len(effects) != 0 {
		h.Errorf("a %s that is one with its authorization has effects: %+v", op.Method, effects)
	}
	if op.CallsOff() {
		if op.State.Final() && (!parent.State.Final() || (op.State == payment.StateSucceeded) == (parent.State == payment.StateSucceeded)) {
			h.Errorf("a void that called off an authorization ended in %s, and that in %s", op.State, parent.State)
		}
	} else if op.State.Final() && op.State != payment.StateFailed && op.State != parent.State {
		h.Errorf("a completion ended in %s, its authorization in %s", op.State, parent.State)
	}
	if parent.State.Final() && parent.Child != "" {
		h.Errorf("an authorization in %s has a child", parent.State)
	}
}

// unblocked checks that no key is kept by somebody who does not work on it, at a
// time when nobody works on any.
func (h *house) unblocked() {
	h.Helper()
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	for key, m := range dump.Markers {
		h.Errorf("operation %s is blocked by a marker of boot %s that nobody works under", key.ID, m.Boot)
	}
}

// effects is how many exist at all providers together.
func (h *house) effects() int {
	h.Helper()
	n := 0
	for _, p := range h.providers {
		n += len(p.effects())
	}
	for _, a := range h.stripes {
		n += len(h.existing(a))
	}
	for _, a := range h.adyens {
		n += len(h.standing(a))
	}
	for _, a := range h.amazons {
		n += len(h.standingAtAmazon(a))
	}
	for _, a := range h.layers {
		n += len(h.standingAtTrueLayer(a))
	}
	return n
}

// received is how many writes arrived at all providers together.
func (h *house) received() int {
	h.Helper()
	n := 0
	for _, p := range h.providers {
		n += len(p.received())
	}
	for _, a := range h.stripes {
		n += len(a.writes(""))
	}
	for _, a := range h.adyens {
		n += len(a.Requests())
	}
	for _, a := range h.amazons {
		n += len(a.writes(""))
	}
	for _, a := range h.layers {
		n += len(a.Requests())
	}
	return n
}

// movement is what an effect moved.
type movement struct {
	Amount   int64
	Currency string
}

// effectsOf are the effects under any provider key of an operation.
func (h *house) effectsOf(op payment.Operation) []movement {
	h.Helper()
	var found []movement
	for _, a := range op.Attempts {
		if s := h.stripe(a.Account); s != nil {
			found = append(found, h.movedBy(s, op.Method, a)...)
			continue
		}
		if s := h.adyen(a.Account); s != nil {
			found = append(found, h.movedAtAdyenBy(s, op.Method, a)...)
			continue
		}
		if s := h.amazon(a.Account); s != nil {
			found = append(found, h.movedAtAmazonBy(s, op.Method, a)...)
			continue
		}
		if s := h.trueLayer(a.Account); s != nil {
			found = append(found, h.movedAtTrueLayerBy(s, op.Method, a)...)
			continue
		}
		for _, step := range a.Steps {
			for _, e := range under(step.Key, h.provider(a.Account).effects()) {
				found = append(found, movement{e.Amount, e.Currency})
			}
		}
	}
	return found
}

func (h *house) provider(account payment.AccountName) *provider {
	h.Helper()
	i := slices.IndexFunc(h.providers, func(p *provider) bool { return p.account == account })
	if i < 0 {
		h.Fatalf("no account %s", account)
	}
	return h.providers[i]
}

// operation is the record under a caller's key.
func (h *house) operation(key payment.IdempotencyKey) payment.Operation {
	h.Helper()
	call := payment.Call{Tenant: "default", Method: payment.MethodAuthorize, Key: key}
	s, err := h.store.Ledger(reader).Read(h.Context(), call.OperationKey())
	if err != nil {
		h.Fatalf("operation of key %s: %v", key, err)
	}
	return s.Operation
}

// records is how many operations there are.
func (h *house) records() int {
	h.Helper()
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	return len(dump.Operations)
}

// logBook collects the lines of the log.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
