package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors/caller"
)

// caller is a client that repeats its calls by itself.
func (p *process) caller() acquitv1.PaymentServiceClient {
	p.h.Helper()
	conn, err := grpc.NewClient("passthrough:///acquit", append(caller.DialOptions(caller.Config{}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.listener.DialContext(ctx) }))...)
	if err != nil {
		p.h.Fatal(err)
	}
	p.h.Cleanup(func() { _ = conn.Close() })
	return acquitv1.NewPaymentServiceClient(conn)
}

// Goal: whatever the provider does, one call of a Go caller brings the outcome
// and leaves at most one effect, where there is an outcome to bring; where there
// is none in time it says so. Method: tokens of the simulator, one call each.
func TestACallerBringsTheOutcome(t *testing.T) {
	t.Parallel()
	for token, c := range map[string]struct {
		state   string
		effects int
	}{
		"tok_ok":                       {"SUCCEEDED", 1},
		"tok_decline_generic":          {"DECLINED", 0},
		"tok_timeout_always":           {"SUCCEEDED", 1},
		"tok_500_after_effect_always":  {"SUCCEEDED", 1},
		"tok_redirect":                 {"SUCCEEDED", 1},
		"tok_500_before_effect_always": {"UNKNOWN", 0},
	} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				ctx, cancel := context.WithTimeout(h.Context(), 2*time.Minute)
				defer cancel()
				answer, err := h.one().caller().Authorize(ctx, request(token), caller.Under("key"), caller.UntilStored())
				if got := stateOf(answer.GetOperation()); err != nil || got != c.state {
					t.Errorf("got %s, %v, want %s", got, err, c.state)
				}
				if got := len(h.providers[0].effects()); got != c.effects {
					t.Errorf("%d effects, want %d", got, c.effects)
				}
			})
		})
	}
}

// Goal: of two callers with one intent both get its answer, though the second is
// told again and again that its key is in flight; a third with another payload is
// refused at once. Method: a provider that takes its time, and a server whose
// patience with waiting calls is short.
func TestACallerWhoseKeyIsInFlight(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{latency: 8 * time.Second}, func(h *house) {
		p := h.one(func(p *plan) { p.chain.WaitLimit = time.Second })
		client := p.caller()
		ask := func(minor int64) (string, string, error) {
			ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
			defer cancel()
			var header metadata.MD
			r := request("tok_ok")
			r.Amount.MinorUnits = minor
			answer, err := client.Authorize(ctx, r, caller.Under("key"), grpc.Header(&header))
			replayed := append(header.Get("acquit-idempotent-replayed"), "")[0]
			return answer.GetPayment().GetPaymentId(), replayed, err
		}
		first := make(chan string, 1)
		go func() {
			id, _, _ := ask(1000)
			first <- id
		}()
		time.Sleep(time.Second)
		began := time.Now()
		if _, _, err := ask(2000); status.Code(err) != codes.FailedPrecondition || time.Since(began) != 0 {
			t.Errorf("another payload got %v after %s", err, time.Since(began))
		}
		id, replayed, err := ask(1000)
		if err != nil || replayed != "true" || time.Since(began) < 7*time.Second {
			t.Errorf("got %v, replayed %q, after %s", err, replayed, time.Since(began))
		}
		if want := <-first; id != want || id == "" {
			t.Errorf("the second caller got payment %q, the first %q", id, want)
		}
		if got := len(h.providers[0].effects()); got != 1 {
			t.Errorf("%d effects", got)
		}
	})
}
