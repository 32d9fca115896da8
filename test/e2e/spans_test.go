package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// named are the finished spans of a name, in the order in which they began.
func (h *house) named(name string) tracetest.SpanStubs {
	synctest.Wait() // a server ends its span when the caller has its answer already
	found := slices.DeleteFunc(h.spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name != name })
	slices.SortStableFunc(found, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	return found
}

// attributes of a span that a test looks at, as text.
func attributes(s tracetest.SpanStub, names ...string) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes {
		if slices.Contains(names, string(a.Key)) {
			out[string(a.Key)] = a.Value.String()
		}
	}
	return out
}

// Goal: a call leaves a span for each request it sent, with what the answer
// proved and what was done about it; the HTTP call under it; and a link to the
// request before. Method: a call that is sent three times, and the spans of an
// in-memory exporter.
func TestSpansOfACallThatIsRetriedTwice(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		r := h.one().authorize(h.Context(), "key", request("tok_500_before_effect_then_drop"))
		if got := r.state(); got != "SUCCEEDED" {
			t.Fatalf("got %s", got)
		}
		reference := r.metadata("acquit-reference-id")
		calls, attempts := h.named("acquit.v1.PaymentService/Authorize"), h.named("payment.attempt")
		if len(calls) != 1 || len(attempts) != 3 || len(h.spans.GetSpans()) != 7 {
			t.Fatalf("%d calls, %d attempts, %d spans; want 1, 3 and 7", len(calls), len(attempts), len(h.spans.GetSpans()))
		}
		call := calls[0]
		if call.SpanKind != trace.SpanKindServer || call.Parent.IsValid() {
			t.Errorf("the call's span is of kind %s under %v", call.SpanKind, call.Parent)
		}
		want := map[string]string{
			"acquit.reference_id": reference, "acquit.tenant": "default", "acquit.replayed": "false", "acquit.interim": "false",
		}
		if diff := gocmp.Diff(want, attributes(call, "acquit.reference_id", "acquit.tenant", "acquit.replayed", "acquit.interim")); diff != "" {
			t.Errorf("the call's span:\n%s", diff)
		}
		for i, c := range []struct{ evidence, row, decision, backoff, status, transport string }{
			{"unknown", "sandbox.any.server_error", "resend", "1000", "500", "answered"},
			{"unknown", "any.transport.broken", "resend", "2000", "0", "broken"},
			{"effect", "sandbox.authorize.authorized", "settle", "0", "200", "answered"},
		} {
			s := attempts[i]
			want := map[string]string{
				"payment.operation": "authorize", "payment.account": "sandbox", "payment.driver": "sandbox",
				"payment.reference_id": reference, "payment.id": r.answer().GetPayment().GetPaymentId(),
				"payment.operation_id":    r.answer().GetOperation().GetOperationId(),
				"payment.attempt.ordinal": "1", "payment.send.ordinal": fmt.Sprint(i + 1),
				"payment.evidence": c.evidence, "payment.mapping_row": c.row, "payment.decision": c.decision,
				"payment.backoff_ms": c.backoff, "http.response.status_code": c.status, "payment.transport": c.transport,
			}
			names := []string{}
			for name := range want {
				names = append(names, name)
			}
			if diff := gocmp.Diff(want, attributes(s, names...)); diff != "" {
				t.Errorf("send %d:\n%s", i+1, diff)
			}
			if s.Parent.SpanID() != call.SpanContext.SpanID() || s.SpanContext.TraceID() != call.SpanContext.TraceID() {
				t.Errorf("send %d is not under the call", i+1)
			}
			if failed := s.Status.Code == otelcodes.Error; failed != (c.evidence == "unknown") {
				t.Errorf("send %d: status %v", i+1, s.Status)
			}
			h.linked(attempts, i)
			h.exchanged(s, c.status)
		}
	})
}

// linked checks that a send is linked to the send before it, and to nothing else.
func (h *house) linked(attempts tracetest.SpanStubs, i int) {
	h.Helper()
	links := attempts[i].Links
	if i == 0 && len(links) != 0 {
		h.Errorf("the first send has links: %v", links)
	}
	if i > 0 && (len(links) != 1 || links[0].SpanContext.SpanID() != attempts[i-1].SpanContext.SpanID()) {
		h.Errorf("send %d is not linked to the one before, but %v", i+1, links)
	}
}

// exchanged checks that a send's span has one child: its HTTP call.
func (h *house) exchanged(send tracetest.SpanStub, status string) {
	h.Helper()
	children := slices.DeleteFunc(h.spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Parent.SpanID() != send.SpanContext.SpanID() })
	if len(children) != 1 {
		h.Errorf("a send has %d children", len(children))
		return
	}
	c := children[0]
	if c.SpanKind != trace.SpanKindClient || c.Name != "POST /v1/authorizations" {
		h.Errorf("a send's child is %q of kind %s", c.Name, c.SpanKind)
	}
	if got := cmp.Or(attributes(c, "http.response.status_code")["http.response.status_code"], "0"); got != status {
		h.Errorf("the HTTP span has status %s, the send %s", got, status)
	}
	if c.StartTime.Before(send.StartTime) || c.EndTime.After(send.EndTime) {
		h.Error("the HTTP call is not within its send")
	}
}

// Goal: a look-up has a span of its own, linked to the send that it asks about and
// with its ordinal. Method: a provider that does what it is asked and never says so,
// and the spans of an in-memory exporter.
func TestSpanOfALookUp(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		h.one().insist(h.Context(), "key", request("tok_500_after_effect_always"))
		sends, looks := h.named("payment.attempt"), h.named("payment.query")
		if len(looks) != 1 || len(looks[0].Links) != 1 || looks[0].Links[0].SpanContext.SpanID() != sends[len(sends)-1].SpanContext.SpanID() {
			t.Fatalf("look-ups %v", looks)
		}
		want := map[string]string{
			"payment.evidence": "effect", "payment.mapping_row": "sandbox.query.authorized", "payment.decision": "settle",
			"payment.send.ordinal": fmt.Sprint(len(sends)),
		}
		if diff := gocmp.Diff(want, attributes(looks[0], "payment.evidence", "payment.mapping_row", "payment.decision", "payment.send.ordinal")); diff != "" {
			t.Error(diff)
		}
	})
}

// Goal: the spans of a cancel, and of the look-ups before and after it, are about the
// send that they follow. Method: a void of an authorization that was sent once and
// waits for its shopper.
func TestSpansOfACancel(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, _ *stripeAccount) {
		p := h.sweeps("one")
		began, _, _ := h.begins(p, pays(secure))
		time.Sleep(untilQuiet)
		p.order(h.Context(), planted("v"), "void", began.answer().GetPayment().GetPaymentId(), 0).tells(false, "false")
		operation := began.answer().GetOperation().GetOperationId()
		got := map[string][]string{}
		for _, name := range []string{"payment.attempt", "payment.fence", "payment.query"} {
			for _, s := range h.named(name) {
				if a := attributes(s, "payment.operation_id", "payment.send.ordinal"); a["payment.operation_id"] == operation {
					got[name] = append(got[name], a["payment.send.ordinal"])
				}
			}
			got[name] = slices.Compact(got[name]) // it is looked up as often as it takes
		}
		want := map[string][]string{"payment.attempt": {"1"}, "payment.fence": {"1"}, "payment.query": {"1"}}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Goal: the attempts of a failover are told apart, and the trace is the caller's
// where it has one. Method: a decline at the first of two accounts, under a
// trace context of the caller.
func TestSpansOfAFailover(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{accounts: []payment.AccountName{"first", "second"}}, func(h *house) {
		const callers = "0af7651916cd43dd8448eb211c80319c"
		r := h.one().invoke(h.Context(), acquitv1.PaymentService_Authorize_FullMethodName, twoAccounts("tok_decline_generic", "tok_503"),
			"idempotency-key", "key", "traceparent", "00-"+callers+"-b7ad6b7169203331-01")
		if got := r.state(); got != "SUCCEEDED" {
			t.Errorf("got %s", got)
		}
		sends := h.named("payment.attempt")
		var got [][4]string
		for i, s := range sends {
			a := attributes(s, "payment.account", "payment.attempt.ordinal", "payment.send.ordinal", "payment.decision")
			got = append(got, [4]string{a["payment.account"], a["payment.attempt.ordinal"], a["payment.send.ordinal"], a["payment.decision"]})
			h.linked(sends, i)
			if id := s.SpanContext.TraceID().String(); id != callers {
				t.Errorf("send %d is in trace %s", i+1, id)
			}
		}
		want := [][4]string{{"first", "1", "1", "fail_over"}, {"second", "2", "1", "resend"}, {"second", "2", "2", "settle"}}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Goal: no span, no line of the log and no metric holds a token, an idempotency
// key, a provider key, a credential, or what is known of the customer. Method:
// recognisable values in all of them, through success, decline, refusals by us
// and by the provider, failures, a look-up, an outage of the ledger, a takeover
// and a panic; then every text that telemetry holds.
//
// Shows R22.
func TestTelemetryHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const key = "PLANTEDKEY"
	full := func(token string) *acquitv1.AuthorizeRequest {
		return with(request(token), func(r *acquitv1.AuthorizeRequest) {
			r.MerchantReference = "PLANTEDREFERENCE"
			r.Metadata = map[string]string{"PLANTEDNAME": "PLANTEDVALUE"}
			r.ReturnUrl = "https://shop.example/PLANTEDRETURN"
			r.Customer = &acquitv1.Customer{
				CustomerId: "PLANTEDCUSTOMER", Name: "PLANTED PERSON", Email: "plantedmail@customer.example", Phone: "+4930555123456",
				IpAddress: "198.51.100.77", BillingAddress: &acquitv1.Address{Line1: "PLANTEDSTREET 1", CountryCode: "DE"},
			}
		})
	}
	inHouse(t, setting{hook: &simulator.Webhook{Copies: 1, Forged: true}}, func(h *house) {
		p := h.one(panicOnce("account.Send"))
		tokens := []string{
			"tok_ok", "tok_decline_lost_card", "tok_429_3s", "tok_401", "tok_400", "tok_PLANTEDTOKEN", "tok_500_after_effect_always",
			"tok_redirect", "tok_garbage", "tok_unknown_status", "tok_timeout", "tok_drop", "tok_requires_action", "tok_oversized",
		}
		for i, token := range tokens {
			p.authorize(h.Context(), key+token, full(token))
			p.authorize(h.Context(), key+token, full("tok_ok")) // another payload, but for the first
			time.Sleep(2 * time.Minute)
			p.authorize(h.Context(), key+token, full(token))
			if i == 0 {
				h.store.SetHook(ledgertest.Once(ledgertest.KindOutcome, ledgertest.Fault{Loss: ledgertest.AmbiguousNotApplied}))
			}
		}
		h.store.SetHook(lose(ledgertest.Unavailable, ledgertest.KindClaim))
		p.authorize(h.Context(), key+"away", full("tok_ok"))
		h.store.SetHook(nil)
		p.authorize(h.Context(), key+"card", with(full("tok_ok"), func(r *acquitv1.AuthorizeRequest) { r.Metadata["4111111111111111"] = "4111111111111111" }))
		p.authorize(h.Context(), key+strings.Repeat("x", 128), full("tok_ok"))
		p.authorize(h.Context(), key+"route", with(full("tok_ok"), func(r *acquitv1.AuthorizeRequest) { r.Account = "elsewhere" }))
		h.quiet()

		secrets := []string{
			key, "PLANTED", "plantedmail", "30555123456", "198.51.100.77", "4111111111111111", "tok_", credential, "Bearer",
		}
		if got := h.results(); got["accepted"] == 0 || got["forged"] == 0 {
			t.Errorf("no webhooks were sent: %v", got)
		}
		dump, err := h.store.Dump()
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range dump.Operations {
			secrets = append(secrets, string(op.Current().Steps[0].Key))
		}
		if len(secrets) < len(tokens) || len(h.logs.String()) == 0 {
			t.Fatal("the test tests too little")
		}
		records, err := json.Marshal([]any{dump.Payments, dump.Events, dump.Attention})
		if err != nil || strings.Contains(string(records), "PLANTEDWEBHOOK") {
			t.Errorf("the records hold a webhook's secret: %v", err)
		}
		for where, text := range h.telemetry() {
			for _, secret := range secrets {
				if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
					t.Errorf("%s hold %q: …%s…", where, secret, text[max(0, i-200):min(len(text), i+100)])
				}
			}
		}
	})
}

// telemetry is every text in spans, log and metrics.
func (h *house) telemetry() map[string]string {
	h.Helper()
	var spans strings.Builder
	note := func(attrs []attribute.KeyValue) {
		for _, a := range attrs {
			fmt.Fprintf(&spans, "%s=%s\n", a.Key, a.Value.String())
		}
	}
	for _, s := range h.spans.GetSpans() {
		fmt.Fprintf(&spans, "%s %s %s\n", s.Name, s.Status.Description, s.SpanContext.TraceState())
		note(s.Attributes)
		for _, e := range s.Events {
			fmt.Fprintln(&spans, e.Name)
			note(e.Attributes)
		}
		for _, l := range s.Links {
			note(l.Attributes)
		}
	}
	var all metricdata.ResourceMetrics
	if err := h.reader.Collect(h.Context(), &all); err != nil {
		h.Fatal(err)
	}
	metrics, err := json.Marshal(all.ScopeMetrics)
	if err != nil {
		h.Fatal(err)
	}
	out := map[string]string{"spans": spans.String(), "logs": h.logs.String(), "metrics": string(metrics)}
	for where, text := range out {
		if !strings.Contains(strings.ToLower(text), "payment") {
			h.Errorf("the %s hold nothing about payments", where)
		}
	}
	return out
}
