package providertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func disciplineProperties() []property {
	return []property{
		{"a wait that is asked for is known, in whatever form", asksToWait},
		{"a refusal is not sent again blindly", refusedOnce},
		{"a failed exchange leaves one record that finds it and tells nothing", leavesTrail},
	}
}

// Goal: a provider that limits is left alone for as long as it says. Method: the forms
// in which waits are asked for, as seconds, as a date and as what is left of a limit, with
// a refusal and with what something on the way may say.
//
// Shows R31 and R38.
func asksToWait(w *world) {
	forms := map[string]struct {
		header       http.Header
		least, above time.Duration
	}{
		"nothing is said":         {http.Header{}, 0, 1},
		"seconds":                 {http.Header{"Retry-After": {"7"}}, 7 * time.Second, 8 * time.Second},
		"a date":                  {http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}, 55 * time.Minute, 61 * time.Minute},
		"the limit is used up":    {http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"11"}}, 11 * time.Second, 12 * time.Second},
		"there is something left": {http.Header{"X-Ratelimit-Remaining": {"3"}, "X-Ratelimit-Reset": {"11"}}, 0, 1},
		"both, the longer counts": {http.Header{"Retry-After": {"7"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"11"}}, 11 * time.Second, 12 * time.Second},
	}
	for _, s := range w.writes() {
		for name, f := range forms {
			for _, status := range []int{429, 503} {
				r := w.Refused(status, "something_new", "")
				r.Header = f.header
				w.server.will(says(r))
				if a, _ := w.send(s); a.RetryAfter < f.least || a.RetryAfter >= f.above {
					w.Errorf("%s, step %s, %d, %s: the wait is %s", s.Method, s.Step, status, name, a.RetryAfter)
				}
			}
		}
	}
}

// Goal: what the provider refuses is mended by somebody and not repeated, unless it says
// itself that the same may be sent again. Method: every documented refusal, and one with a
// code that nobody documents in each status that means our fault.
//
// Shows R29, R30, R39, R41, R49 and R60.
func refusedOnce(w *world) {
	again := []payment.Category{payment.CategoryRateLimited, payment.CategoryInFlight, payment.CategoryTransientSafe, payment.CategoryAmbiguous}
	for _, s := range w.Samples {
		if s.Response.Status < 400 || s.Response.Status > 499 || s.Answers != ToSend {
			continue
		}
		if _, v := w.given(s); !stops(v) && !slices.Contains(again, v.Category) {
			w.Errorf("%s: it would be sent again, %s, by %s of category %s", s.Name, v.Resend, v.Row, v.Category)
		}
	}
	for _, s := range w.writes() {
		for _, status := range []int{400, 401, 403, 404, 405, 413, 422} {
			w.server.will(says(w.Refused(status, "something_new", "")))
			if _, v := w.send(s); !stops(v) {
				w.Errorf("%s, step %s, %d: it would be sent again, %s, by %s", s.Method, s.Step, status, v.Resend, v.Row)
			}
		}
	}
}

// stops reports whether a verdict keeps a refused request from being repeated as it is.
func stops(v payment.Verdict) bool {
	return v.Resend == payment.ResendNever || v.Resend == payment.ResendAfterTokenRefresh
}

// trail is what a record of a failed exchange tells.
type trail struct {
	Message   string `json:"msg"`
	Account   string `json:"account"`
	Endpoint  string `json:"endpoint"`
	Hash      string `json:"payload_hash"`
	Status    int    `json:"http_status"`
	Transport string `json:"transport"`
	Reference string `json:"reference_id"`
	Trace     string `json:"trace_id"`
}

// Goal: whoever looks into a failure finds the request, its answer and its trace, and
// learns nothing of what was sent: not even by a hash that could be guessed. Method: a
// refusal, a failure and a broken connection; the record against the request.
//
// Shows R34.
func leavesTrail(w *world) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	for _, s := range w.writes() {
		built := w.build(w.New(w.Credentials[0]), s)
		for status, answer := range map[int]http.HandlerFunc{
			400: says(w.Refused(400, "something_new", "")), 500: says(providers.Response{Status: 500}), 0: cuts(nil),
		} {
			w.log.Reset()
			w.server.will(answer)
			w.sendWithin(trace.ContextWithSpanContext(w.Context(), span), w.guard, s)
			var got trail
			if err := json.Unmarshal(w.log.Bytes(), &got); err != nil { // also if there are two records, or none
				w.Errorf("%s, step %s, %d: %v in %q", s.Method, s.Step, status, err, w.log.String())
				continue
			}
			endpoint := built.Method + " " + strings.TrimPrefix(w.server.URL, "http://") + built.Template
			want := trail{got.Message, "main", endpoint, got.Hash, status, got.Transport, string(s.Reference), span.TraceID().String()}
			if got != want || built.Template == "" || got.Message == "" || got.Transport == "" {
				w.Errorf("%s, step %s, %d: the record tells %+v", s.Method, s.Step, status, got)
			}
			w.hashed(s, built.Body, got.Hash)
		}
	}
}

// hashed checks the hash of a payload in a record, and that nothing else of it is there.
func (w *world) hashed(s payment.Send, body []byte, hash string) {
	w.Helper()
	plain := sha256.Sum256(body)
	if (hash == "") != (len(body) == 0) || (hash != "" && strings.HasPrefix(hex.EncodeToString(plain[:]), hash)) {
		w.Errorf("%s, step %s: the hash of %d bytes is %q, which anybody can compare", s.Method, s.Step, len(body), hash)
	}
	if len(body) > 0 && bytes.Contains(w.log.Bytes(), body) || w.leaked(s, w.log.String()) != "" {
		w.Errorf("%s, step %s: the record tells the payload", s.Method, s.Step)
	}
}

// traced adds to a record the trace that it belongs to, as the server's handler does.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}
