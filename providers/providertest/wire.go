package providertest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func wireProperties() []property {
	return []property{
		{"the same send is the same request, in any process and with any credential", sameRequest},
		{"one send is one request", oneRequest},
		{"another send has another key", otherKey},
		{"a dial that is refused is known not to have been sent", neverSent},
	}
}

// sealed is s as it comes back from the record.
func (w *world) sealed(s payment.Send) payment.Send {
	w.Helper()
	raw, err := json.Marshal(s.Instruction)
	if err != nil {
		w.Fatal(err)
	}
	s.Instruction = payment.Instruction{}
	if err := json.Unmarshal(raw, &s.Instruction); err != nil {
		w.Fatal(err)
	}
	return s
}

// Goal: whoever sends again sends the same key and bytes. Method: the send and
// what a record makes of it, over guards built anew, with either credential; what
// arrives is compared but for what signing adds.
//
// Shows R15, R55 and R79.
func sameRequest(w *world) {
	for _, s := range w.writes() {
		built := w.build(w.New(w.Credentials[0]), s)
		var first *received
		for _, credential := range []providers.Secret{w.Credentials[0], w.Credentials[0], w.Credentials[1]} {
			w.sendOn(w.open(credential, w.server.URL), w.sealed(s), 30*time.Second)
			got := w.server.take()[0]
			for name := range got.Header {
				if _, ours := built.Header[name]; !ours {
					got.Header.Del(name) // signing's or the transport's
				}
			}
			if first == nil {
				first = &got
			}
			if diff := cmp.Diff(*first, got); diff != "" {
				w.Errorf("%s, step %s: another request (-first +again):\n%s", s.Method, s.Step, diff)
			}
		}
	}
}

// build makes the request of s by the driver alone.
func (w *world) build(d providers.Driver, s payment.Send) providers.Request {
	w.Helper()
	form := d.Build
	if s.Step.Fence() {
		form = d.Fence
	}
	r, err := form(s)
	if err != nil {
		w.Fatalf("%s, step %s: %v", s.Method, s.Step, err)
	}
	return r
}

// Goal: nothing repeats a request by itself. Method: answers that clients like to
// repeat requests after.
func oneRequest(w *world) {
	for _, s := range w.writes() {
		for name, f := range w.faults(s) {
			w.server.will(f.answer)
			w.sendOn(w.guard, s, f.patience)
			if n := len(w.server.take()); n != 1 {
				w.Errorf("%s, step %s, %s: %d requests on the wire", s.Method, s.Step, name, n)
			}
		}
	}
}

// Goal: two operations that are alike in everything else are two to the
// provider. Method: the same send under another key.
//
// Shows R70.
func otherKey(w *world) {
	for _, s := range w.writes() {
		one, err := w.guard.Prepare(s)
		if err != nil {
			w.Fatal(err)
		}
		s.Key = "ffffffffffffffffffffffffffffffff"
		other, err := w.guard.Prepare(s)
		if err != nil {
			w.Fatal(err)
		}
		if one == other {
			w.Errorf("%s, step %s: the key makes no difference", s.Method, s.Step)
		}
	}
}

// Goal: a provider that was never reached has certainly done nothing.
func neverSent(w *world) {
	g := w.open(w.Credentials[0], w.nowhere())
	for _, s := range w.sends() {
		a, v := w.sendOn(g, s, 30*time.Second)
		if a.Transport != payment.TransportNeverSent || v.Evidence != payment.EvidenceNoEffectNotSticky {
			w.Errorf("%s: %s is judged %s", s.Method, a.Transport, v.Evidence)
		}
	}
}

func pureProperties() []property {
	return []property{
		{"a driver changes nothing that it is given", changesNothing},
		{"a driver reads the same answer twice", readsTheSame},
		{"a driver never panics while it reads", neverPanics},
		{"a driver leaves to the guard what is the guard's", leavesToGuard},
		{"traits never change", sameTraits},
	}
}

// Goal: a send is what it was after it was built and read.
func changesNothing(w *world) {
	d := w.New(w.Credentials[0])
	for _, s := range w.writes() {
		before := w.sealed(s)
		after := w.sealed(s)
		w.build(d, after)
		d.Parse(after, w.Done(s, s.Amount))
		if diff := cmp.Diff(before, after); diff != "" {
			w.Errorf("%s, step %s: the send was changed (-before +after):\n%s", s.Method, s.Step, diff)
		}
	}
}

// Goal: what an answer says depends on nothing but the answer. Method: every
// sample twice, in another order and by another instance.
func readsTheSame(w *world) {
	d := w.New(w.Credentials[0])
	var first []payment.Answer
	for _, s := range w.Samples {
		first = append(first, s.read(d))
	}
	d = w.New(w.Credentials[1])
	for i, s := range slices.Backward(w.Samples) {
		if diff := cmp.Diff(first[i], s.read(d)); diff != "" {
			w.Errorf("%s: another answer (-first +again):\n%s", s.Name, diff)
		}
	}
}

// read has the driver read the sample.
func (s Sample) read(d providers.Driver) payment.Answer {
	if s.Answers == ToSend {
		return d.Parse(s.Send, s.Response)
	}
	return d.ParseQuery(s.Send, s.Response)
}

// Goal: nothing that can be received makes the driver panic, which the guard would
// have to catch. Method: bodies of every JSON type, whole and in a list, with
// many statuses, to the driver itself; the fuzz target goes on from there.
func neverPanics(w *world) {
	d := w.New(w.Credentials[0])
	bodies := []string{"", "null", "{}", "[]", "0", `""`, "true", "[null]", `{"data":null}`, `{"data":[null]}`, `{"data":{}}`, `{"error":null}`, `{"error":{}}`, "\x00", "{"}
	for _, s := range append(w.writes(), w.asked()...) {
		for _, status := range []int{0, 199, 200, 204, 302, 400, 402, 500, 999} {
			for _, body := range bodies {
				w.survives(s, func() {
					d.Parse(s, providers.Response{Status: status, Body: []byte(body)})
					d.ParseQuery(s, providers.Response{Status: status, Body: []byte(body)})
				}, status, body)
			}
		}
	}
}

func (w *world) survives(s payment.Send, read func(), status int, body string) {
	defer func() {
		if p := recover(); p != nil {
			w.Errorf("%s, step %s, status %d, body %q: panic: %v", s.Method, s.Step, status, body, p)
		}
	}()
	read()
}

// Goal: how far an exchange got, its status and a wait that is asked for are read
// in one place for all drivers.
func leavesToGuard(w *world) {
	d := w.New(w.Credentials[0])
	for _, s := range w.Samples {
		s.Response.Header = s.Response.Header.Clone()
		if s.Response.Header == nil {
			s.Response.Header = map[string][]string{}
		}
		s.Response.Header.Set("Retry-After", "7")
		if a := s.read(d); a.Transport != "" || a.HTTPStatus != 0 || a.RetryAfter != 0 {
			w.Errorf("%s: the driver sets transport %q, status %d, wait %s", s.Name, a.Transport, a.HTTPStatus, a.RetryAfter)
		}
	}
}

// Goal: what routing was told holds for every account and for ever.
func sameTraits(w *world) {
	if diff := cmp.Diff(w.traits, w.New(w.Credentials[1]).Traits()); diff != "" {
		w.Errorf("other traits (-first +again):\n%s", diff)
	}
}
