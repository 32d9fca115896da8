package sandbox_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// fenceSend is the n-th cancel of what fullSend makes.
func fenceSend(n int) payment.Send {
	s := fullSend()
	s.Step, s.Key = payment.StepCancel(n), payment.ProviderKey("cancel-"+strings.Repeat("0123456789", n))
	return s
}

// Goal: a cancel says our reference and nothing else, whatever is known besides, so
// that every cancel of a step has the same bytes.
func TestFenceIsByReference(t *testing.T) {
	known := fenceSend(1)
	known.ProviderReference, known.Amount.MinorUnits, known.Instruction = "auth_1", 7, payment.Instruction{}
	d := sandbox.New(sandbox.Config{})
	if kind := d.Traits().Fence; kind != payment.FenceByReference {
		t.Errorf("fences by %q", kind)
	}
	one, err := d.Fence(fenceSend(1))
	other, failed := d.Fence(known)
	if diff := cmp.Diff(one, other); err != nil || failed != nil || diff != "" {
		t.Errorf("errors %v and %v, requests (-one +other):\n%s", err, failed, diff)
	}
	another, err := d.Fence(fenceSend(2))
	if err != nil || another.Key == one.Key || string(another.Body) != string(one.Body) {
		t.Errorf("the second cancel is %s under %s, error %v", another.Body, another.Key, err)
	}
}

// Goal: only an authorization is fenced, only by a step that is a cancel, and a
// cancel is nothing to be built as a main request.
func TestFenceRefuses(t *testing.T) {
	d := sandbox.New(sandbox.Config{})
	for name, change := range map[string]func(*payment.Send){
		"a capture":    func(s *payment.Send) { s.Method = payment.MethodCapture },
		"a completion": func(s *payment.Send) { s.Method = payment.MethodComplete },
		"a main step":  func(s *payment.Send) { s.Step = payment.StepMain },
	} {
		s := fenceSend(1)
		change(&s)
		if _, err := d.Fence(s); !errors.Is(err, providers.ErrUnsupported) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := d.Build(fenceSend(1)); !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("built: error %v", err)
	}
}

// Goal: the answer to a cancel is read as the simulator documents it; of the
// authorization that it shows no effect is believed, and what is not documented has
// a code of its own or none.
func TestParseFence(t *testing.T) {
	ours := func(code, decline string) payment.Answer {
		return payment.Answer{Code: code, Decline: decline, Reference: "auth_1", OurEcho: "OURREFERENCE"}
	}
	const shown = `{"id":"auth_1","status":"STATUS","decline_code":"generic","amount":1000,"currency":"EUR","reference":"OURREFERENCE","next_action":{"url":"https://a.example"}}`
	with := func(status string) string { return strings.Replace(shown, "STATUS", status, 1) }
	d := sandbox.New(sandbox.Config{})
	for name, c := range map[string]struct {
		status int
		body   string
		want   payment.Answer
	}{
		"cancelled":                    {200, with("cancelled"), ours("cancelled", "")},
		"declined":                     {200, with("declined"), ours("declined", "generic")},
		"still authorized":             {200, with("authorized"), ours("authorization_authorized", "")},
		"still captured":               {200, with("captured"), ours("authorization_captured", "")},
		"still pending":                {200, with("pending"), ours("authorization_pending", "")},
		"an action required":           {200, with("requires_action"), ours("authorization_requires_action", "")},
		"unknown status":               {200, with("teleported"), ours("authorization_teleported", "")},
		"accepted, authorized":         {202, with("authorized"), ours("pending", "")},
		"accepted, declined":           {202, with("declined"), ours("pending", "")},
		"accepted, unreadable":         {202, `{"id":`, payment.Answer{}},
		"accepted, of nothing":         {202, `{}`, payment.Answer{}},
		"several":                      {200, `{"data":[` + with("cancelled") + `]}`, payment.Answer{}},
		"several accepted":             {202, `{"data":[` + with("authorized") + `]}`, payment.Answer{}},
		"another kind":                 {200, strings.Replace(with("cancelled"), `{`, `{"kind":"void",`, 1), payment.Answer{}},
		"without an id":                {200, strings.Replace(with("cancelled"), "auth_1", "", 1), payment.Answer{}},
		"in a failure":                 {500, with("cancelled"), payment.Answer{}},
		"captured":                     {422, `{"error":{"code":"failed","failure_code":"already_captured","message":"no","reference":"OURREFERENCE"}}`, payment.Answer{Code: "failed", Decline: "already_captured", Message: "no", OurEcho: "OURREFERENCE"}},
		"nothing found":                {404, `{"error":{"code":"nothing_found","message":"no","reference":"OURREFERENCE"}}`, payment.Answer{Code: "nothing_found", Message: "no", OurEcho: "OURREFERENCE"}},
		"limited":                      {429, `{"error":{"code":"rate_limited"}}`, payment.Answer{Code: "rate_limited"}},
		"an answer that is not JSON":   {200, `<html>`, payment.Answer{}},
		"an error without a code":      {422, `{"error":{"failure_code":"already_captured"}}`, payment.Answer{}},
		"an object with another shape": {200, `{"id":1}`, payment.Answer{}},
	} {
		got := d.Parse(fenceSend(1), providers.Response{Status: c.status, Body: []byte(c.body)})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: answer (-want +got):\n%s", name, diff)
		}
	}
}

// Goal: for every fault of a cancel, the verdict claims no more about it than what
// is in the log; the resend ends in the stored outcome; one counted send is one
// request on the wire. Method: the whole way from driver to table, two sends of
// each token.
func TestEveryStepOfAFence(t *testing.T) {
	t.Parallel()
	const ok = "sandbox.fence.cancelled"
	rows := map[string][2]string{
		"ok":                    {ok, ok},
		"pending":               {"sandbox.fence.pending", "sandbox.fence.pending"},
		"429":                   {"sandbox.any.rate_limited", ok},
		"429_date":              {"sandbox.any.rate_limited", ok},
		"401":                   {"sandbox.any.unauthorized", ok},
		"400":                   {"sandbox.any.invalid_request", ok},
		"500_before_effect":     {"sandbox.any.server_error", ok},
		"500_after_effect":      {"sandbox.any.server_error", ok},
		"503":                   {"sandbox.any.unavailable", ok},
		"timeout":               {"any.transport.timeout", ok},
		"timeout_before_effect": {"any.transport.timeout", ok},
		"drop":                  {"any.transport.broken", ok},
		"drop_before_effect":    {"any.transport.broken", ok},
		"reset_before_headers":  {"any.transport.broken", ok},
		"reset_after_headers":   {"any.transport.broken", ok},
		"garbage":               {"any.http.2xx", ok},
		"empty":                 {"any.http.2xx", ok},
		"truncated":             {"any.transport.broken", ok},
		"oversized":             {"any.transport.oversized", ok},
		"unknown_status":        {"any.http.2xx", ok},
		"redirect":              {"any.http.3xx", ok},
		"key_in_use":            {"sandbox.any.key_in_use", ok},
		"late":                  {"any.transport.broken", ok},
		"twice":                 {ok, ok},
	}
	for _, token := range simulator.Tokens() {
		m, step := stepOf(token)
		if m != mapping.Fence {
			continue
		}
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			want, listed := rows[step]
			if !listed {
				t.Fatal("the step has no expectation")
			}
			stored, patience := token.Name, 30*time.Second
			switch {
			case slices.Contains([]string{"pending", "late", "twice"}, step):
				stored += "_600s" // what happens later is another test's
			case strings.HasPrefix(step, "timeout"):
				patience = 2 * time.Second // the request has to arrive within it
			}
			r := newRig(t)
			made := r.authorize(t, stored, payment.CaptureManual)
			for i, row := range want {
				a, v := r.Exchange(fenceSend(1), patience)
				patience = 30 * time.Second
				if v.Row != row || v.Failover {
					t.Errorf("send %d: row %s, want %s (answer %+v, verdict %+v)", i+1, v.Row, row, a, v)
				}
				r.arrived(t, i+2) // the authorization is one
				checkClaim(t, v, r.count(t, simulator.KindCancel))
				if v.Evidence == payment.EvidenceEffect && a.Reference != made.Reference {
					t.Errorf("the cancel is of %s, want %s", a.Reference, made.Reference)
				}
			}
		})
	}
}

// authorize makes the authorization of fullSend with a token.
func (r *rig) authorize(t *testing.T, token string, capture payment.CaptureMode) payment.Answer {
	t.Helper()
	s := fullSend()
	s.Instruction.CaptureMode, s.Instruction.Tokens["main"] = capture, payment.Token{StoredID: token}
	a, _ := r.send(s)
	return a
}

// after is what a look-up after a fence says.
func (r *rig) after(t *testing.T, reference payment.ProviderReference) (payment.Answer, payment.Verdict) {
	t.Helper()
	s := fullSend()
	s.ProviderReference = reference
	a, err := r.Guard.Query(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return a, r.Table.Judge("sandbox", mapping.Fenced, a)
}

// Goal: after a fence only what no cancel can change any more is proof, and the
// look-up claims it by reference and by id: nothing is claimed of what is still
// authorized, pending, to be acted on, or not there. Method: every state with a
// cancel that acts, one that is accepted only, and none at all.
func TestLookUpAfterAFence(t *testing.T) {
	t.Parallel()
	const fenced, none = "sandbox.fenced.", "none"
	for name, c := range map[string]struct {
		token   string
		capture payment.CaptureMode
		cancel  string // a step of it, or none
		answer  string // the row of its answer
		row     string // of the look-up
		proves  payment.Evidence
	}{
		"cancelled":                 {"tok_ok", payment.CaptureManual, "ok", "sandbox.fence.cancelled", fenced + "cancelled", payment.EvidenceNoEffectSticky},
		"cancelled when pending":    {"tok_pending_600s", payment.CaptureAutomatic, "ok", "sandbox.fence.cancelled", fenced + "cancelled", payment.EvidenceNoEffectSticky},
		"cancelled before the page": {"tok_requires_action", payment.CaptureManual, "ok", "sandbox.fence.cancelled", fenced + "cancelled", payment.EvidenceNoEffectSticky},
		"declined":                  {"tok_decline_insufficient_funds", payment.CaptureManual, "ok", "sandbox.fence.declined", fenced + "declined_insufficient_funds", payment.EvidenceNoEffectSticky},
		"captured":                  {"tok_ok", payment.CaptureAutomatic, "ok", "sandbox.fence.failed_already_captured", fenced + "captured", payment.EvidenceEffect},
		"cancel without an answer":  {"tok_ok", payment.CaptureManual, "drop", "any.transport.broken", fenced + "cancelled", payment.EvidenceNoEffectSticky},
		"cancel not applied":        {"tok_ok", payment.CaptureManual, "drop_before_effect", "any.transport.broken", fenced + "authorized", payment.EvidenceUnknown},
		"cancel on its way":         {"tok_ok", payment.CaptureManual, "late_600s", "any.transport.broken", fenced + "authorized", payment.EvidenceUnknown},
		"cancel accepted":           {"tok_ok", payment.CaptureManual, "pending_600s", "sandbox.fence.pending", fenced + "authorized", payment.EvidenceUnknown},
		"pending, cancel accepted":  {"tok_pending_600s", payment.CaptureManual, "pending_600s", "sandbox.fence.pending", fenced + "pending", payment.EvidenceUnknown},
		"action, cancel accepted":   {"tok_requires_action", payment.CaptureManual, "pending_600s", "sandbox.fence.pending", fenced + "requires_action", payment.EvidenceUnknown},
		"nothing there":             {"tok_late_600s", payment.CaptureManual, "ok", "sandbox.fence.nothing_found", fenced + "not_found", payment.EvidenceUnknown},
		"not cancelled at all":      {"tok_ok", payment.CaptureManual, none, "", fenced + "authorized", payment.EvidenceUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, token := newRig(t), c.token
			if c.cancel != none {
				token += "_cancel_" + c.cancel
			}
			made := r.authorize(t, token, c.capture)
			if c.cancel != none {
				if a, v := r.Exchange(fenceSend(1), 30*time.Second); v.Row != c.answer {
					t.Errorf("the cancel: row %s, want %s (answer %+v)", v.Row, c.answer, a)
				}
			}
			for _, reference := range []payment.ProviderReference{"", made.Reference} {
				a, v := r.after(t, reference)
				if v.Row != c.row || v.Evidence != c.proves || v.Failover || a.ObjectFound != (made.Reference != "") {
					t.Errorf("look-up of %q: %+v of %+v, want row %s", reference, v, a, c.row)
				}
			}
		})
	}
}

// Goal: after a cancel, its authorization is captured no more, and the answer that is
// stored under the key of its request still says "authorized": only a look-up may be
// believed once a fence was sent. A cancel that found nothing stops nothing.
func TestWhatAFenceDoesNotChange(t *testing.T) {
	r, s := newRig(t), fullSend()
	s.Instruction.CaptureMode = payment.CaptureManual
	if a, v := r.Exchange(fenceSend(1), 30*time.Second); v.Row != "sandbox.fence.nothing_found" || v.Evidence != payment.EvidenceNoEffectSticky {
		t.Errorf("a cancel before the authorization: %+v of %+v", v, a)
	}
	made, v := r.send(s)
	if v.Evidence != payment.EvidenceEffect {
		t.Fatalf("the authorization: %+v", v)
	}
	if _, v := r.Exchange(fenceSend(1), 30*time.Second); v.Row != "sandbox.fence.nothing_found" {
		t.Errorf("the same cancel again: %s", v.Row)
	}
	if _, v := r.Exchange(fenceSend(2), 30*time.Second); v.Row != "sandbox.fence.cancelled" {
		t.Errorf("a further cancel: %s", v.Row)
	}
	if a, v := r.send(s); v.Row != "sandbox.authorize.authorized" || a.Reference != made.Reference {
		t.Errorf("the stored answer became %+v", a)
	}
	if got := r.ask(t, s); got.row != "sandbox.query.cancelled" || !got.answer.ObjectFound {
		t.Errorf("a look-up: %+v", got)
	}
	next := furtherSend(payment.MethodCapture)
	next.Parent = made.Reference
	if _, v := r.send(next); v.Row != "sandbox.capture.failed_already_voided" {
		t.Errorf("a capture: %s", v.Row)
	}
	if n := r.count(t, simulator.KindCapture); n != 0 {
		t.Errorf("%d captures of what was cancelled", n)
	}
}

// Goal: where somebody else used our reference, neither the cancel nor the look-up
// after it proves anything: one of the effects is nobody's.
func TestFenceOfSeveralProvesNothing(t *testing.T) {
	r := newRig(t)
	r.authorize(t, "tok_ok", payment.CaptureManual)
	s := fullSend()
	s.Key = "fedcba9876543210fedcba9876543210"
	r.send(s)
	if a, v := r.Exchange(fenceSend(1), 30*time.Second); v.Evidence != payment.EvidenceUnknown {
		t.Errorf("the cancel: %+v of %+v", v, a)
	}
	if a, v := r.after(t, ""); v.Evidence != payment.EvidenceUnknown || a.ObjectFound {
		t.Errorf("the look-up: %+v of %+v", v, a)
	}
}
