package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// completion is the completion of a fresh authorization that requires an action.
func (r *rig) completion(t *testing.T, token string, parameters map[string]string) payment.Send {
	t.Helper()
	s := fullSend()
	s.Instruction.Tokens["main"], s.Instruction.CaptureMode = payment.Token{StoredID: token}, payment.CaptureManual
	a, v := r.send(s)
	if v.Row != "sandbox.authorize.requires_action" {
		t.Fatalf("row %s, answer %+v", v.Row, a)
	}
	next := furtherSend(payment.MethodComplete)
	next.Parent, next.Amount, next.Instruction.ReturnParameters = a.Reference, s.Amount, parameters
	return next
}

// Goal: for every fault of a completion, the verdict claims no more than what is in
// the effect log; the resend ends in the stored outcome; one counted send is one
// request on the wire; and what the shopper brings back, or a token, asks for either.
// Method: the whole way from driver to table, two sends of each step both ways.
func TestEveryStepOfACompletion(t *testing.T) {
	t.Parallel()
	const ok = "sandbox.complete.authorized"
	rows := map[string][2]string{
		"approve":               {ok, ok},
		"decline":               {"sandbox.complete.declined_authentication_required", "sandbox.complete.declined_authentication_required"},
		"pending":               {"sandbox.complete.pending", "sandbox.complete.pending"},
		"again":                 {"sandbox.complete.requires_action", "sandbox.complete.requires_action"},
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
	seen := 0
	for _, token := range simulator.Tokens() {
		m, step := stepOf(token)
		if m != payment.MethodComplete {
			continue // another test's
		}
		seen++
		for _, brought := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s brought back %v", step, brought), func(t *testing.T) {
				t.Parallel()
				want, listed := rows[step]
				if !listed {
					t.Fatal("the step has no expectation")
				}
				name, patience := step, 30*time.Second
				switch {
				case slices.Contains([]string{"pending", "late", "twice"}, step):
					name += "_600s" // what happens later is another test's
				case strings.HasPrefix(step, "timeout"):
					patience = 2 * time.Second // the request has to arrive within it
				}
				r := newRig(t)
				stored, parameters := "tok_requires_action_complete_"+name, map[string]string(nil)
				if brought {
					stored, parameters = "tok_requires_action", map[string]string{simulator.ResultParameter: name}
				}
				s := r.completion(t, stored, parameters)
				for i, row := range want {
					a, v := r.Exchange(s, patience)
					patience = 30 * time.Second
					if v.Row != row {
						t.Errorf("send %d: row %s, want %s (answer %+v)", i+1, v.Row, row, a)
					}
					r.arrived(t, i+2) // the authorization is one
					checkClaim(t, v, r.count(t, simulator.KindEffect))
					if (step == "again") != (a.NextAction != nil) || a.Reference != "" && a.Reference != s.Parent || a.OurEcho != "" {
						t.Errorf("send %d: %+v", i+1, a)
					}
				}
			})
		}
	}
	if seen != len(rows) {
		t.Errorf("%d steps of %d", seen, len(rows))
	}
}

// Goal: what is answered to a completion is believed only about the authorization
// that it was about. Method: the same answers about another one.
func TestCompletionOfAnotherAuthorization(t *testing.T) {
	d, s := sandbox.New(sandbox.Config{}), furtherSend(payment.MethodComplete)
	for want, r := range map[string]providers.Response{
		"authorized": {Status: 200, Body: []byte(`{"id":"ID","status":"authorized","amount":400,"currency":"EUR","reference":"OTHER"}`)},
		"declined":   {Status: 402, Body: []byte(`{"error":{"code":"declined","decline_code":"generic","id":"ID","reference":"OTHER"}}`)},
	} {
		for id, code := range map[string]string{string(s.Parent): want, "auth_2": ""} {
			about := providers.Response{Status: r.Status, Body: []byte(strings.ReplaceAll(string(r.Body), "ID", id))}
			if a := d.Parse(s, about); a.Code != code || a.OurEcho != "" || code == "" && (a.Reference != "" || a.Decline != "") {
				t.Errorf("%s of %s is read as %+v", want, id, a)
			}
		}
	}
}
