package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// plan is how a provider treats a request that it executes for the first time.
type plan string

const (
	planOK              plan = "does it"
	planPartial         plan = "does half of it"
	planDecline         plan = "declines"
	planPending         plan = "accepts"
	planAction          plan = "asks for an action"
	planRateLimit       plan = "refuses, 429"
	planUnauthorized    plan = "refuses, 401"
	planInvalid         plan = "refuses, 400"
	planBareRefusal     plan = "answers a bare 403"
	planFailBefore      plan = "fails before the effect"
	planFailAfter       plan = "fails after the effect"
	planFailStored      plan = "fails before the effect, and keeps to it"
	planFailAfterStored plan = "fails after the effect, and keeps to it"
	planInUse           plan = "does it, and says that the key is in use"
	planHidden          plan = "does it, and something before it answers 502"
)

// temper is how often a provider does what; it makes histories differ.
type temper struct {
	plans    []weighted[plan]
	cancels  []weighted[plan]
	settles  standing
	declines string
}

// no is the word for a refusal that a provider executes and keeps.
func (t temper) no(o *object) string {
	switch o.method {
	case payment.MethodAuthorize, payment.MethodComplete:
		return t.declines
	case payment.MethodCapture:
		return "capture_failed"
	case payment.MethodRefund:
		return "refund_failed"
	case payment.MethodVoid:
		return "void_failed"
	}
	return "cancel_failed"
}

func drawTemper(r *rand.Rand) temper {
	t := temper{settles: isEffect, declines: draw(r, []weighted[string]{{6, "insufficient_funds"}, {3, "generic"}, {2, "lost_card"}})}
	if r.IntN(3) == 0 {
		t.settles = isNegative
	}
	rough, asking := 1+r.IntN(4), 1
	if r.IntN(3) == 0 {
		asking = 40 // most shoppers must act
	}
	t.plans = []weighted[plan]{
		{40, planOK},
		{2, planPartial},
		{3 * rough, planDecline},
		{2, planPending},
		{asking, planAction},
		{2 * rough, planRateLimit},
		{rough, planUnauthorized},
		{1, planInvalid},
		{1, planBareRefusal},
		{2 * rough, planFailBefore},
		{2 * rough, planFailAfter},
		{1, planFailStored},
		{1, planFailAfterStored},
		{rough, planInUse},
		{rough, planHidden},
	}
	t.cancels = []weighted[plan]{
		{10, planOK},
		{6, planPending},
		{2, planRateLimit},
		{2, planFailBefore},
		{2, planFailAfter},
		{1, planFailStored},
		{1, planHidden},
	}
	return t
}

// weighted is one of several things, with how often it is drawn.
type weighted[T any] struct {
	weight int
	what   T
}

// draw takes one of the list by weight.
func draw[T any](r *rand.Rand, list []weighted[T]) T {
	total := 0
	for _, w := range list {
		total += w.weight
	}
	n := r.IntN(total)
	for _, w := range list {
		if n -= w.weight; n < 0 {
			return w.what
		}
	}
	return list[len(list)-1].what
}

// settings are what is fixed for one history.
type settings struct {
	boots     int
	skews     []time.Duration
	jitter    float64
	window    time.Duration // of resends
	resolveBy time.Duration
	drainTime time.Duration
	steps     int
	trouble   int // of the ledger, in percent of its calls
	patience  int // tries of a caller, before it gives up
}

// Beyond the resend window a provider remembers keys for this much longer: more
// than any pause and delay of a history together (assumption A3).
const margin = 45 * time.Minute

// longestDelay is how late a copy of a request arrives at most.
const longestDelay = 20 * time.Minute

func drawSettings(r *rand.Rand) settings {
	s := settings{
		boots: 2 + r.IntN(2), jitter: r.Float64(), steps: 90 + r.IntN(110), trouble: []int{0, 4, 10, 25}[r.IntN(4)],
		patience: 2 + r.IntN(8), drainTime: time.Duration(5+r.IntN(60)) * time.Second,
		window:    []time.Duration{3 * time.Minute, 12 * time.Minute, 20 * time.Hour}[r.IntN(3)],
		resolveBy: []time.Duration{70 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}[r.IntN(4)],
	}
	for range 6 {
		skew := time.Duration(0)
		if r.IntN(4) == 0 {
			skew = time.Duration(r.IntN(5*60)-150)*time.Second + time.Duration(r.IntN(1000))*time.Microsecond
		}
		s.skews = append(s.skews, skew)
	}
	return s
}

// skew is the clock error of the n-th process life.
func (s settings) skew(n int) time.Duration { return s.skews[n%len(s.skews)] }

// drawProvider makes an account.
func drawProvider(r *rand.Rand, name payment.AccountName, window time.Duration) *provider {
	p := &provider{
		name: name, lifetime: window + margin, temper: drawTemper(r), keys: map[string]*stored{}, credential: "first",
		mayRepeat: r.IntN(8) == 0,
		traits: payment.Traits{
			Driver:  "sandbox",
			Methods: []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid},
			// Which accounts can do what is the business of routing's own tests.
			ManualCapture: true, AutomaticCapture: true, MultipleCaptures: r.IntN(4) != 0, Query: r.IntN(2) == 0,
			ResendWindow: window, KeyMax: 64, KeyScope: payment.KeyScopeAccount,
		},
	}
	if r.IntN(2) == 0 {
		p.traits.KeyScope = payment.KeyScopeCredential
	}
	p.traits.Completion = []payment.CompletionKind{payment.CompletionNone, payment.CompletionLook, payment.CompletionSend}[r.IntN(3)]
	if p.traits.Completion == payment.CompletionSend {
		p.traits.Methods = append(p.traits.Methods, payment.MethodComplete)
	}
	p.traits.Fence = []payment.FenceKind{payment.FenceNone, payment.FenceByObject, payment.FenceByReference}[r.IntN(3)]
	return p
}
