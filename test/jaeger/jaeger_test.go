//go:build jaeger

package jaeger

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// Goal: whoever looks at a payment in Jaeger sees what was sent for it, what the
// answers proved, what was decided, and what settled it in the end. Method: a real
// Jaeger and a real acquit serve, four payments, and the traces as Jaeger's API tells
// them after acquit has ended, which sends the last spans.
func TestPaymentsAreSeenInJaeger(t *testing.T) {
	j, story := told(t)
	services, err := j.Services(t.Context())
	if err != nil || len(services) != 1 || services[0] != "acquit" {
		t.Fatalf("services %v, %v; want acquit", services, err)
	}
	for i, check := range []func(*testing.T, *Jaeger, *Payment, []Trace){retried, declined, unknown, webhook} {
		t.Run(story[i].Name, func(t *testing.T) {
			traces, err := j.Of(t.Context(), story[i].ID)
			if err != nil || len(traces) == 0 {
				t.Fatalf("no traces of payment %s: %v", story[i].ID, err)
			}
			check(t, j, story[i], traces)
		})
	}
}

// told starts both programs, has the story told and ends acquit.
func told(t *testing.T) (*Jaeger, []*Payment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	dir := t.TempDir()
	program, err := BuildJaeger(ctx, "../..")
	if err != nil {
		t.Fatal(err)
	}
	acquit, err := BuildAcquit(ctx, "../..", dir)
	if err != nil {
		t.Fatal(err)
	}
	free, err := Free(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "jaeger.log"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := Start(ctx, program, free[0], free[1], log)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		<-j.Ended
	})
	serving, stop := context.WithCancel(ctx)
	defer stop()
	addr, ended, err := Serve(serving, acquit, dir, j)
	if err != nil {
		t.Fatal(err)
	}
	story := Story()
	if err := Tell(ctx, addr, story); err != nil {
		t.Fatal(err)
	}
	stop()
	<-ended
	return j, story
}

func retried(t *testing.T, _ *Jaeger, _ *Payment, traces []Trace) {
	t.Helper()
	sends := traces[0].Named("payment.attempt")
	if len(sends) != 2 {
		t.Fatalf("%d attempt spans, want 2", len(sends))
	}
	expect(t, sends[0], map[string]string{"payment.send.ordinal": "1", "http.response.status_code": "503", "payment.decision": "resend", "error": "true"})
	expect(t, sends[1], map[string]string{"payment.send.ordinal": "2", "payment.evidence": "effect", "payment.decision": "settle", "error": ""})
	if !sends[1].Linked(sends[0]) {
		t.Errorf("the second send does not link to the first: %+v", sends[1].References)
	}
	root := traces[0].Named("acquit.v1.PaymentService/Authorize")
	if len(root) != 1 || sends[0].Parent() != root[0].ID || sends[1].Parent() != root[0].ID {
		t.Errorf("the sends are not within the one call: %+v", root)
	}
}

func declined(t *testing.T, _ *Jaeger, p *Payment, traces []Trace) {
	t.Helper()
	sends := traces[0].Named("payment.attempt")
	if len(sends) != 1 || p.Last != acquitv1.PaymentStatus_PAYMENT_STATUS_DECLINED {
		t.Fatalf("%d attempt spans, %s", len(sends), p.Last)
	}
	expect(t, sends[0], map[string]string{
		"payment.evidence": "no_effect_sticky", "payment.category": "soft_decline", "payment.decision": "settle",
		"payment.account": "asked", "payment.driver": "sandbox", "error": "", // a decline is an answer
	})
}

func unknown(t *testing.T, _ *Jaeger, p *Payment, traces []Trace) {
	t.Helper()
	sends := traces[0].Named("payment.attempt")
	if p.First != acquitv1.PaymentStatus_PAYMENT_STATUS_UNKNOWN || len(sends) != 2 {
		t.Fatalf("it was %s at first, with %d attempt spans; want UNKNOWN and 2", p.First, len(sends))
	}
	expect(t, sends[1], map[string]string{"payment.evidence": "unknown", "payment.decision": "query", "error": "true"})
	resolved := false
	for _, trace := range traces {
		for _, s := range trace.Named("payment.query") {
			if s.Tag("payment.evidence") == "effect" {
				resolved = true
				if !s.Linked(sends[1]) {
					t.Errorf("the look does not link to the send that it is about: %+v", s.References)
				}
			}
		}
	}
	if !resolved {
		t.Errorf("no span shows what resolved it, in %d traces", len(traces))
	}
}

func webhook(t *testing.T, j *Jaeger, _ *Payment, traces []Trace) {
	t.Helper()
	sends := traces[0].Named("payment.attempt")
	if len(sends) != 1 {
		t.Fatalf("%d attempt spans, want 1", len(sends))
	}
	expect(t, sends[0], map[string]string{"payment.evidence": "pending", "payment.account": "told", "error": ""})
	all, err := j.Webhooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		if s := w.Spans[0]; s.Linked(sends[0]) {
			expect(t, s, map[string]string{"payment.account": "told", "http.response.status_code": "200"})
			return
		}
	}
	t.Errorf("none of %d webhooks links to the send that it settled", len(all))
}

// expect compares some attributes of a span; "" is for one that it must not have.
func expect(t *testing.T, s Span, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got := s.Tag(key); got != value {
			t.Errorf("%s: %s is %q, want %q", s.Name, key, got, value)
		}
	}
}
