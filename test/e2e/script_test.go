package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// want is what becomes of one Authorize.
type want struct {
	state    string
	evidence string
	row      string // of the mapping table
	effects  int    // when the flight has ended
	sends    int
	after    string // the state once the caller has insisted; "" where there is an answer already
}

// Goal: each thing that a provider can do leads to the state, the evidence, the
// number of effects and the number of sends that it proves, and never to an
// error of the call. Method: one Authorize for each token of the simulator, then
// what the record says is held against the provider's own log; a caller that was
// not answered insists.
func TestProvidersAnswer(t *testing.T) {
	t.Parallel()
	const (
		effect, pending, sticky = "effect", "pending", "no_effect_sticky"
		notSticky, unknown      = "no_effect_not_sticky", "unknown"
		authorized, looked      = "sandbox.authorize.authorized", "sandbox.query.authorized"
	)
	succeeded := func(sends int) want { return want{"SUCCEEDED", effect, authorized, 1, sends, ""} }
	declined := func(code string) want {
		return want{"DECLINED", sticky, "sandbox.authorize.declined_" + code, 0, 1, ""}
	}
	for token, c := range map[string]want{
		"tok_ok":      succeeded(1),
		"tok_partial": succeeded(1),
		"tok_twice":   succeeded(1),

		// Failures before and after the effect look the same from here.
		"tok_500_before_effect":                          succeeded(2),
		"tok_500_after_effect":                           succeeded(2),
		"tok_503":                                        succeeded(2),
		"tok_500_before_effect_always":                   {"UNKNOWN", unknown, "sandbox.any.server_error", 0, 6, "UNKNOWN"},
		"tok_500_after_effect_always":                    {"SUCCEEDED", effect, looked, 1, 6, ""},
		"tok_500_after_effect_then_429_always":           {"SUCCEEDED", effect, looked, 1, 6, ""},
		"tok_500_before_effect_then_429_always":          {"UNKNOWN", notSticky, "sandbox.any.rate_limited", 0, 6, "UNKNOWN"},
		"tok_503_then_400":                               {"UNKNOWN", notSticky, "sandbox.any.invalid_request", 0, 2, "SUCCEEDED"},
		"tok_timeout_before_effect_then_401":             {"UNKNOWN", notSticky, "sandbox.any.unauthorized", 0, 2, "SUCCEEDED"},
		"tok_500_before_effect_then_decline_generic":     {"DECLINED", sticky, "sandbox.authorize.declined_generic", 0, 2, ""},
		"tok_500_before_effect_then_503_then_drop":       succeeded(4),
		"tok_garbage_then_empty_then_truncated_then_429": succeeded(5),

		// Connections.
		"tok_drop":                      succeeded(2),
		"tok_drop_before_effect":        succeeded(2),
		"tok_reset_before_headers":      succeeded(2),
		"tok_reset_after_headers":       succeeded(2),
		"tok_truncated":                 succeeded(2),
		"tok_timeout":                   succeeded(2),
		"tok_timeout_before_effect":     succeeded(2),
		"tok_timeout_always":            {"SUCCEEDED", effect, looked, 1, 3, ""},
		"tok_drop_before_effect_always": {"UNKNOWN", unknown, "any.transport.broken", 0, 7, "UNKNOWN"},

		// Answers that cannot be read, or say nothing.
		"tok_garbage":           succeeded(2),
		"tok_empty":             succeeded(2),
		"tok_oversized":         succeeded(2),
		"tok_unknown_status":    succeeded(2),
		"tok_key_in_use":        succeeded(2),
		"tok_key_in_use_always": {"UNKNOWN", unknown, "sandbox.any.key_in_use", 0, 6, "UNKNOWN"},
		"tok_garbage_always":    {"SUCCEEDED", effect, looked, 1, 6, ""},
		"tok_redirect":          {"UNKNOWN", unknown, "any.http.3xx", 0, 1, "SUCCEEDED"},
		"tok_redirect_always":   {"UNKNOWN", unknown, "any.http.3xx", 0, 1, "UNKNOWN"},

		// Refusals.
		"tok_429":        succeeded(2),
		"tok_429_date":   succeeded(2),
		"tok_429_always": {"FAILED", notSticky, "sandbox.any.rate_limited", 0, 6, ""},
		"tok_429_30m":    {"FAILED", notSticky, "sandbox.any.rate_limited", 0, 1, ""},
		"tok_401":        {"FAILED", notSticky, "sandbox.any.unauthorized", 0, 1, ""},
		"tok_400":        {"FAILED", notSticky, "sandbox.any.invalid_request", 0, 1, ""},
		"tok_nonsense":   {"FAILED", notSticky, "sandbox.any.invalid_request", 0, 1, ""},

		// Declines.
		"tok_decline_insufficient_funds":      declined("insufficient_funds"),
		"tok_decline_generic":                 declined("generic"),
		"tok_decline_lost_card":               declined("lost_card"),
		"tok_decline_expired_card":            declined("expired_card"),
		"tok_decline_authentication_required": declined("authentication_required"),

		// Later.
		"tok_pending":         {"PENDING", pending, "sandbox.authorize.pending", 1, 1, ""},
		"tok_pending_30m":     {"PENDING", pending, "sandbox.authorize.pending", 0, 1, ""},
		"tok_requires_action": {"REQUIRES_ACTION", pending, "sandbox.authorize.requires_action", 0, 1, ""},
		"tok_late":            succeeded(2),
		"tok_late_10m":        succeeded(2),
		"tok_late_always":     {"SUCCEEDED", effect, looked, 1, 7, ""},
		"tok_late_10m_always": {"UNKNOWN", unknown, "any.transport.broken", 0, 7, "SUCCEEDED"},
	} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) { h.holds(token, c) })
		})
	}
}

// holds makes one call with a token and checks what becomes of it.
func (h *house) holds(token string, c want) {
	h.Helper()
	p := h.one()
	first := p.authorize(h.Context(), token, request(token))
	if first.code() != codes.OK {
		h.Fatalf("the provider's trouble reached the caller as %v", first.err)
	}
	early := first.state()
	stored := first.metadata("acquit-should-retry") == "false"
	if stored != (early != "INTENT" && early != "UNKNOWN") || (stored && early != c.state) {
		h.Errorf("the first answer was %s, stored: %t", early, stored)
	}
	time.Sleep(5 * time.Minute) // until whatever goes on behind the answer has ended
	h.stands(p, first.answer().GetPayment().GetPaymentId(), token, c)
	if c.after == "" {
		h.quiet()
		again := p.authorize(h.Context(), token, request(token))
		again.tells(true, "false")
		if got := again.state(); got != c.state || (stored && string(again.bytes) != string(first.bytes)) {
			h.Errorf("the same key again brought another answer, in %s", got)
		}
		return
	}
	for range 4 { // a caller that does not give up, though not every provider ever answers
		if r := p.authorize(h.Context(), token, request(token)); r.code() != codes.OK {
			h.Errorf("the caller that insists got %v", r.err)
		}
		time.Sleep(3 * time.Minute)
	}
	if op := h.operation(payment.IdempotencyKey(token)); string(op.State) != c.after {
		h.Errorf("after the caller insisted the operation is %s (%s), want %s", op.State, op.ParkReason, c.after)
	}
}

// stands checks a payment of one attempt: what a reader is told, and the
// provider's own log.
func (h *house) stands(p *process, id, token string, c want) {
	h.Helper()
	read, err := p.payment(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	op := read.GetOperations()[0]
	if len(read.GetOperations()) != 1 || len(op.GetAttempts()) != 1 {
		h.Fatalf("%d operations, %d attempts", len(read.GetOperations()), len(op.GetAttempts()))
	}
	a := op.GetAttempts()[0]
	got := want{stateOf(op), evidenceOf(a), a.GetMappingRow(), len(h.providers[0].effects()), int(a.GetSends()), c.after}
	if got != c {
		h.Errorf("got  %+v,\nwant %+v (parked: %q)", got, c, h.operation(payment.IdempotencyKey(token)).ParkReason)
	}
	if wire := len(h.providers[0].received()); wire != int(a.GetSends()) {
		h.Errorf("%d writes arrived at the provider, the record counts %d", wire, a.GetSends())
	}
}

// Goal: a provider that asks to be left alone is, whichever way it says so.
// Method: the time between the two requests in the provider's log, far above
// the wait that there would be without its asking.
//
// Shows R31 and R42.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for token, bound := range map[string]time.Duration{
		"tok_429_7s": 7 * time.Second, "tok_429_date_9s": 9 * time.Second, "tok_500_before_effect_then_429_12s": 12 * time.Second,
	} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				if got := h.one().insist(h.Context(), token, request(token)).state(); got != "SUCCEEDED" {
					t.Errorf("got %s", got)
				}
				requests := h.providers[0].received()
				last := requests[len(requests)-1].Time.Sub(requests[len(requests)-2].Time)
				if last < bound || last > bound+time.Second {
					t.Errorf("sent again after %s, asked for %s", last, bound)
				}
			})
		})
	}
}

// Goal: a provider that cannot be reached has done nothing, which is known. If
// it comes back in time it is asked again, else the operation has failed.
// Method: the provider's listener refuses, for ever or for five seconds.
func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outage time.Duration
		state  string
		row    string
		wire   int
	}{
		"for ever":     {time.Hour, "FAILED", "any.transport.never_sent", 0},
		"for a moment": {5 * time.Second, "SUCCEEDED", "sandbox.authorize.authorized", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				h.providers[0].down.Store(true)
				time.AfterFunc(c.outage, func() { h.providers[0].down.Store(false) })
				first := h.one().authorize(h.Context(), "key", request("tok_ok"))
				if got := first.state(); got != "INTENT" && got != c.state {
					t.Errorf("nothing was sent and the first answer is %s", got)
				}
				time.Sleep(5 * time.Minute)
				op := h.operation("key")
				if string(op.State) != c.state || op.Current().MappingRow != c.row {
					t.Errorf("operation in %s by row %s, want %s by %s", op.State, op.Current().MappingRow, c.state, c.row)
				}
				if got := h.received(); got != c.wire || op.Current().Sends != c.wire {
					t.Errorf("%d requests arrived, the record counts %d, want %d", got, op.Current().Sends, c.wire)
				}
			})
		})
	}
}
