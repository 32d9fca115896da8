package sandbox_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/providers/transport"
)

// rig is an account of the sandbox, with the simulator.
type rig struct {
	*providertest.Account

	simulator *simulator.Simulator
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := simulator.Open(simulator.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{providertest.Open(t, "sandbox", s, registry.Account{MerchantID: "m-1", Credential: "sandbox_sk_test"}), s}
}

// send makes one counted send and says which row judged it.
func (r *rig) send(s payment.Send) (payment.Answer, payment.Verdict) {
	r.Helper()
	return r.Exchange(s, 30*time.Second)
}

func (r *rig) count(t *testing.T, kind simulator.Kind) int {
	t.Helper()
	entries, err := r.simulator.Entries(kind)
	if err != nil {
		t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e simulator.Entry) bool { return e.Copy })
	return len(entries)
}

// arrived waits until the simulator has dealt with n requests, which a send that
// gave up does not wait for, and reports more than n.
func (r *rig) arrived(t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if r.count(t, simulator.KindRequest) >= n {
			break
		}
		<-tick.C
	}
	if got := r.count(t, simulator.KindRequest); got != n {
		t.Errorf("%d requests on the wire after %d sends", got, n)
	}
}

// Goal: for every fault that the sandbox knows, the verdict claims no more than
// what is in the effect log; the resend ends in the stored outcome; one counted
// send is one request on the wire. Method: the whole way from driver to table,
// two sends of each token.
func TestEveryTokenThroughGuardAndTable(t *testing.T) {
	t.Parallel()
	const ok = "sandbox.authorize.authorized"
	rows := map[string][2]string{
		"tok_ok":                              {ok, ok},
		"tok_partial":                         {ok, ok},
		"tok_decline_insufficient_funds":      {"sandbox.authorize.declined_insufficient_funds", "sandbox.authorize.declined_insufficient_funds"},
		"tok_decline_generic":                 {"sandbox.authorize.declined_generic", "sandbox.authorize.declined_generic"},
		"tok_decline_lost_card":               {"sandbox.authorize.declined_lost_card", "sandbox.authorize.declined_lost_card"},
		"tok_decline_expired_card":            {"sandbox.authorize.declined_expired_card", "sandbox.authorize.declined_expired_card"},
		"tok_decline_authentication_required": {"sandbox.authorize.declined_authentication_required", "sandbox.authorize.declined_authentication_required"},
		"tok_pending":                         {"sandbox.authorize.pending", "sandbox.authorize.pending"},
		"tok_requires_action":                 {"sandbox.authorize.requires_action", "sandbox.authorize.requires_action"},
		"tok_429":                             {"sandbox.any.rate_limited", ok},
		"tok_429_date":                        {"sandbox.any.rate_limited", ok},
		"tok_401":                             {"sandbox.any.unauthorized", ok},
		"tok_400":                             {"sandbox.any.invalid_request", ok},
		"tok_500_before_effect":               {"sandbox.any.server_error", ok},
		"tok_500_after_effect":                {"sandbox.any.server_error", ok},
		"tok_503":                             {"sandbox.any.unavailable", ok},
		"tok_timeout":                         {"any.transport.timeout", ok},
		"tok_timeout_before_effect":           {"any.transport.timeout", ok},
		"tok_drop":                            {"any.transport.broken", ok},
		"tok_drop_before_effect":              {"any.transport.broken", ok},
		"tok_reset_before_headers":            {"any.transport.broken", ok},
		"tok_reset_after_headers":             {"any.transport.broken", ok},
		"tok_garbage":                         {"any.http.2xx", ok},
		"tok_empty":                           {"any.http.2xx", ok},
		"tok_truncated":                       {"any.transport.broken", ok},
		"tok_oversized":                       {"any.transport.oversized", ok},
		"tok_unknown_status":                  {"any.http.2xx", ok},
		"tok_redirect":                        {"any.http.3xx", ok},
		"tok_key_in_use":                      {"sandbox.any.key_in_use", ok},
		"tok_late":                            {"any.transport.broken", ok},
		"tok_twice":                           {ok, ok},
	}
	for _, token := range simulator.Tokens() {
		if m, _ := stepOf(token); m != payment.MethodAuthorize {
			continue // another test's
		}
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			want, listed := rows[token.Name]
			if !listed {
				t.Fatal("the token has no expectation")
			}
			r, s := newRig(t), fullSend()
			stored, patience := token.Name, 30*time.Second
			switch {
			case slices.Contains([]string{"tok_pending", "tok_late", "tok_twice"}, token.Name):
				stored += "_600s" // what happens later is another test's
			case strings.HasPrefix(token.Name, "tok_timeout"):
				patience = 2 * time.Second // the request has to arrive within it
			}
			s.Instruction.Tokens["main"] = payment.Token{StoredID: stored}
			s.Instruction.CaptureMode = payment.CaptureManual
			for i, row := range want {
				a, v := r.Exchange(s, patience)
				patience = 30 * time.Second
				if v.Row != row {
					t.Errorf("send %d: row %s, want %s (answer %+v)", i+1, v.Row, row, a)
				}
				r.arrived(t, i+1)
				checkClaim(t, v, r.count(t, simulator.KindEffect))
				if strings.HasPrefix(token.Name, "tok_429") && i == 0 && (a.RetryAfter <= 0 || a.RetryAfter > 2*time.Second) {
					t.Errorf("retry after %s", a.RetryAfter)
				}
				if token.Name == "tok_partial" && (a.Amount == nil || a.Amount.MinorUnits != 500) {
					t.Errorf("partial amount %v, want 500", a.Amount)
				}
			}
		})
	}
}

// checkClaim compares what a verdict claims with the ground truth.
func checkClaim(t *testing.T, v payment.Verdict, effects int) {
	t.Helper()
	if v.Evidence != payment.EvidenceUnknown && (v.Evidence == payment.EvidenceEffect) != (effects == 1) {
		t.Errorf("%s claims %s, there are %d effects", v.Row, v.Evidence, effects)
	}
	if effects > 1 {
		t.Errorf("%d effects", effects)
	}
}

// Goal: a look-up shows what became of a send whose answer was lost, by
// reference and by id, and proves nothing when it finds nothing.
func TestLookUp(t *testing.T) {
	r, s := newRig(t), fullSend()
	ask := func(want string) payment.Answer {
		t.Helper()
		a, err := r.Guard.Query(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if v := r.Table.Judge("sandbox", mapping.Query, a); v.Row != want {
			t.Errorf("row %s, want %s (answer %+v)", v.Row, want, a)
		}
		return a
	}
	ask("sandbox.query.not_found")
	s.Instruction.Tokens["main"] = payment.Token{StoredID: "tok_drop"}
	r.send(s)
	a := ask("sandbox.query.captured")
	s.ProviderReference = a.Reference
	ask("sandbox.query.captured")
	if !a.ObjectFound || a.OurEcho != s.Reference {
		t.Errorf("found %+v", a)
	}
	s.ProviderReference = "auth_none"
	ask("sandbox.query.not_found")
	if n := r.count(t, simulator.KindQuery); n != 4 {
		t.Errorf("%d look-ups on the wire, want 4", n)
	}

	s = fullSend()
	s.Reference, s.Key = "DECLINED", "fedcba9876543210fedcba9876543210"
	s.Instruction.Tokens["main"] = payment.Token{StoredID: "tok_decline_generic"}
	r.send(s)
	ask("sandbox.query.declined_generic")
}

// Goal: the same send is the same request on the wire, from another process and
// with another credential too, but for what signing adds. Method: a server that
// keeps what it received; two accounts built anew for each send.
func TestSameSendSameBytesOnTheWire(t *testing.T) {
	var received []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		raw, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		received = append(received, string(raw))
	}))
	defer server.Close()
	for _, credential := range []providers.Secret{"sandbox_sk_a", "sandbox_sk_a", "sandbox_sk_b"} {
		account := registry.Account{Name: "main", Environment: payment.EnvironmentSandbox, BaseURL: server.URL, Credential: credential}
		driver, target, err := registry.New("sandbox", account)
		if err != nil {
			t.Fatal(err)
		}
		tr := transport.New(transport.Config{})
		g, err := providers.New(providers.Config{Name: "main", Driver: driver, Target: target, BaseURL: server.URL, Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		hash, err := g.Prepare(fullSend())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Send(t.Context(), fullSend(), hash); err != nil {
			t.Fatal(err)
		}
		tr.CloseIdleConnections()
	}
	if received = slices.Compact(received); len(received) != 1 {
		t.Errorf("different requests:\n%s", strings.Join(received, "\n---\n"))
	}
}

// Goal: a provider that is not there is known not to have acted.
func TestRefusedDial(t *testing.T) {
	r, s := newRig(t), fullSend()
	server := httptest.NewServer(nil)
	server.Close()
	account := registry.Account{Name: "main", Environment: payment.EnvironmentSandbox, BaseURL: server.URL, Credential: "sandbox_sk_x"}
	driver, target, err := registry.New("sandbox", account)
	if err != nil {
		t.Fatal(err)
	}
	r.Guard, err = providers.New(providers.Config{Name: "main", Driver: driver, Target: target, BaseURL: server.URL, Transport: transport.New(transport.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	if _, v := r.send(s); v.Evidence != payment.EvidenceNoEffectNotSticky || !v.Failover {
		t.Errorf("verdict %+v", v)
	}
	if _, err := r.Guard.Send(t.Context(), s, "another hash"); !errors.Is(err, providers.ErrRequestChanged) {
		t.Errorf("error %v", err)
	}
}
