package providertest

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/transport"
)

func faultProperties() []property {
	return []property{
		{"what brings no documented answer is unknown, whether it was applied or not", unknownEitherWay},
		{"a truncated answer is unknown wherever it ends", truncated},
		{"a code that is not documented is unknown", undocumentedCode},
		{"a fault of a look-up says nothing", faultyLookUp},
	}
}

// fault is a way not to answer.
type fault struct {
	answer   http.HandlerFunc
	patience time.Duration
}

// faults lists the ways, in the dialect of s.
func (w *world) faults(s payment.Send) map[string]fault {
	done := w.Done(s, s.Amount)
	say := func(status int, contentType, body string) fault {
		return fault{says(providers.Response{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}), 30 * time.Second}
	}
	const html = "<!doctype html><html><body><h1>We'll be back</h1></body></html>"
	odd := w.Odd(s)
	return map[string]fault{
		"timeout":                   {hangs(), 250 * time.Millisecond},
		"cut before the answer":     {cuts(nil), 30 * time.Second},
		"cut within the answer":     {cuts(&done), 30 * time.Second},
		"500":                       say(500, "application/json", ""),
		"500 with an effect's body": say(500, "application/json", string(done.Body)),
		"500 with a refusal":        {says(w.Refused(500, "something_new", "")), 30 * time.Second},
		"502 of a proxy":            say(502, "text/html", html),
		"503":                       say(503, "text/plain", "no"),
		"504":                       say(504, "text/html", html),
		"empty":                     say(200, "application/json", ""),
		"no content":                say(204, "", ""),
		"null":                      say(200, "application/json", "null"),
		"an empty object":           say(200, "application/json", "{}"),
		"a list":                    say(200, "application/json", "[]"),
		"a number":                  say(200, "application/json", "1e999"),
		"garbage":                   say(200, "application/octet-stream", "\x00\xff\xfe garbage \x1b"),
		"another type throughout":   say(200, "application/json", `{"id":1,"status":{},"error":7,"amount":"x","data":false}`),
		"HTML":                      say(200, "text/html", html),
		"HTML that refuses":         say(403, "text/html", html),
		"HTML that limits":          say(429, "text/html", html),
		"HTML that finds nothing":   say(404, "text/html", html),
		"2 MiB":                     say(200, "application/json", string(done.Body)+strings.Repeat(" ", 2*transport.MaxResponse)),
		"a redirect":                {redirects(), 30 * time.Second},
		"an unknown status":         {says(odd), 30 * time.Second},
		"an answer to something else": say(done.Status, "application/json",
			`{"id":"other_1","object":"something","status":"succeeded","result":"ok"}`),
	}
}

func redirects() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}
}

// keyIn finds the key of s where it was sent.
func (w *world) keyIn(s payment.Send) func(received) payment.ProviderKey {
	sent := string(w.spelled(s.Key))
	return func(r received) payment.ProviderKey {
		for _, values := range r.Header {
			if slices.Contains(values, sent) {
				return s.Key
			}
		}
		if strings.Contains(r.Body, sent) {
			return s.Key
		}
		return payment.ProviderKey("none of ours: " + r.Body)
	}
}

// Goal: what is not answered in documented words proves nothing, and the same
// send brings the truth without a second effect. Method: each fault twice, once
// with the effect made before it and once without; then the same send to a
// provider that is well.
//
// Shows R8, R10, R12, R29 and R37.
func unknownEitherWay(w *world) {
	for _, s := range w.sends() {
		for name, f := range w.faults(s) {
			for _, applied := range []bool{true, false} {
				w.server.act(applied, w.keyIn(s))
				w.server.will(f.answer)
				a, v := w.sendOn(w.guard, s, f.patience)
				if v.Evidence != payment.EvidenceUnknown {
					w.Errorf("%s, %s, applied %t: judged %s by %s (code %q)", s.Method, name, applied, v.Evidence, v.Row, a.Code)
				}
				if applied {
					w.server.will(says(w.Done(s, s.Amount)))
					if again, v := w.send(s); v.Evidence != w.ending(s.Method) {
						w.Errorf("%s after %s: judged %s by %s (code %q)", s.Method, name, v.Evidence, v.Row, again.Code)
					}
				}
				if n := w.server.done(); (applied && n != 1) || (!applied && n != 0) {
					w.Errorf("%s, %s, applied %t: %d effects", s.Method, name, applied, n)
				}
			}
		}
	}
}

// Goal: half an answer is none. Method: the body of an effect and of each sample
// is ended at many places, with headers that say it is whole.
func truncated(w *world) {
	d := w.New(w.Credentials[0])
	for _, s := range w.sends() {
		w.halves(d, Sample{Name: "done", Send: s, Response: w.Done(s, s.Amount)})
	}
	for _, s := range w.Samples {
		w.halves(d, s)
	}
}

func (w *world) halves(d providers.Driver, s Sample) {
	whole := bytes.TrimRight(s.Response.Body, " \n\r\t")
	for end := range whole {
		s.Response.Body = whole[:end]
		if a := s.read(d); a.Code != "" || a.Reference != "" || a.Amount != nil {
			w.Errorf("%s of %s, %d of %d bytes: read as %+v", s.Name, s.Send.Method, end, len(whole), a)
			return
		}
	}
}

// Goal: nobody guesses what a code means. Method: a refusal with each status of
// 4xx and a code that nobody documents.
func undocumentedCode(w *world) {
	for _, s := range w.writes() {
		for status := 400; status < 500; status++ {
			w.server.will(says(w.Refused(status, "something_new", "")))
			if a, v := w.send(s); v.Evidence != payment.EvidenceUnknown {
				w.Errorf("%s, step %s, %d: judged %s by %s (code %q)", s.Method, s.Step, status, v.Evidence, v.Row, a.Code)
			}
		}
	}
}

// Goal: a question that was not answered leaves everything as it was.
func faultyLookUp(w *world) {
	for _, s := range w.lookedUp() {
		for name, f := range w.faults(s) {
			if f.patience < time.Second || name == "an empty object" || name == "an unknown status" {
				continue // the look-up has no bound of its own; the others are answers to it
			}
			w.server.will(f.answer)
			if a, v := w.ask(s, "query"); v.Evidence != payment.EvidenceUnknown || a.ObjectFound {
				w.Errorf("%s, %s: judged %s by %s (code %q)", s.Method, name, v.Evidence, v.Row, a.Code)
			}
		}
	}
}
