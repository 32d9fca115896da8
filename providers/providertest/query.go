package providertest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func queryProperties() []property {
	return []property{
		{"a look-up is a GET that carries no key and no body", plainGet},
		{"a look-up that needs the provider's id is not made without it", idNeeded},
		{"a look-up finds the object by its id and by our reference", finds},
		{"what was not found proves nothing", notFound},
		{"the refusal of a look-up proves nothing", refusedLookUp},
		{"another's object is not taken for ours", foreignObject},
		{"a status that is not documented proves nothing in a look-up", oddLookUp},
	}
}

// asked are the sends of a driver that looks up, without an id where that is enough,
// and with one.
func (w *world) asked() []payment.Send {
	var list []payment.Send
	for _, s := range w.lookedUp() {
		if s.ProviderReference == "" {
			list = append(list, s)
		}
		s.ProviderReference = "obj_known"
		list = append(list, s)
	}
	return list
}

// lookedUp are the sends whose objects can be looked up, with the provider's id where
// that is needed. A completion has none of its own: its authorization is looked up.
func (w *world) lookedUp() []payment.Send {
	var list []payment.Send
	for _, s := range w.sends() {
		if !w.traits.Finds(s.Method, "") {
			s.ProviderReference = "obj_known"
		}
		if s.Method != payment.MethodComplete && w.traits.Finds(s.Method, s.ProviderReference) {
			list = append(list, s)
		}
	}
	return list
}

// Goal: what cannot be looked up is not looked up some other way. Method: sends
// without the id that the driver declares to need.
func idNeeded(w *world) {
	for _, m := range w.traits.QueryNeedsID {
		if r, err := w.New(w.Credentials[0]).Query(w.Send(m)); !errors.Is(err, providers.ErrUnsupported) {
			w.Errorf("the look-up of a %s without the provider's id of it is built: %+v, error %v", m, r, err)
		}
	}
}

// Goal: asking has no effect and gives no key away. Method: what arrives.
//
// Shows R13.
func plainGet(w *world) {
	if !w.traits.Query {
		if r, err := w.New(w.Credentials[0]).Query(w.Send(payment.MethodAuthorize)); !errors.Is(err, providers.ErrUnsupported) {
			w.Errorf("no look-up is declared, but one is built: %+v, error %v", r, err)
		}
	}
	for _, s := range w.asked() {
		w.server.will(says(w.Found(s, s.Amount)))
		w.ask(s, mapping.Query)
		got := w.server.take()[0]
		if got.Method != http.MethodGet || got.Body != "" || strings.Contains(fmt.Sprint(got), string(s.Key)) || strings.Contains(fmt.Sprint(got), string(w.spelled(s.Key))) || got.Header.Get("Idempotency-Key") != "" {
			w.Errorf("look-up of %s by %q: %+v", s.Method, s.ProviderReference, got)
		}
	}
}

// Goal: a look-up shows the effect that is there, and says that it found it.
//
// Shows R67.
func finds(w *world) {
	for _, s := range w.asked() {
		w.server.will(says(w.Found(s, s.Amount)))
		a, v := w.ask(s, mapping.Query)
		if v.Evidence != payment.EvidenceEffect || !a.ObjectFound || a.Reference == "" {
			w.Errorf("%s by %q: %s proves %s (answer %+v)", s.Method, s.ProviderReference, v.Row, v.Evidence, a)
		}
	}
}

// Goal: what is not there yet may still come.
func notFound(w *world) {
	for _, s := range w.asked() {
		if !w.able(CanMiss(s.Method)) {
			continue
		}
		w.server.will(says(w.Missing(s)))
		for _, m := range []payment.Method{mapping.Query, mapping.Fenced} {
			if a, v := w.ask(s, m); v.Evidence != payment.EvidenceUnknown || a.ObjectFound {
				w.Errorf("%s by %q, %s: %s proves %s (answer %+v)", s.Method, s.ProviderReference, m, v.Row, v.Evidence, a)
			}
		}
	}
}

// Goal: the refusal of a question says nothing about the thing asked for. Method:
// every refusal among the samples as the answer to a look-up.
func refusedLookUp(w *world) {
	for _, s := range w.asked() {
		for _, sample := range w.Samples {
			if sample.Response.Status < 300 {
				continue
			}
			w.server.will(says(sample.Response))
			for _, m := range []payment.Method{mapping.Query, mapping.Fenced} {
				if a, v := w.ask(s, m); v.Evidence != payment.EvidenceUnknown || a.ObjectFound {
					w.Errorf("%s, %s with %q: %s proves %s", s.Method, m, sample.Name, v.Row, v.Evidence)
				}
			}
		}
	}
}

// Goal: what somebody else did is not taken for what we did. Method: the object
// of a send that is alike but for our reference, and one with another id than was
// asked for.
func foreignObject(w *world) {
	for _, s := range w.asked() {
		if w.able(CanEcho(s.Method)) {
			other := s
			other.Reference = "ANOTHERREFERENCE"
			w.server.will(says(w.Found(other, s.Amount)))
			if a, v := w.ask(s, mapping.Query); v.Evidence != payment.EvidenceUnknown {
				w.Errorf("%s by %q, another's: %s proves %s (answer %+v)", s.Method, s.ProviderReference, v.Row, v.Evidence, a)
			}
			w.server.will(says(w.Done(other, s.Amount)))
			if a, v := w.send(s); s.ProviderReference == "" && v.Evidence != payment.EvidenceUnknown {
				w.Errorf("%s answered with another's: %s proves %s (answer %+v)", s.Method, v.Row, v.Evidence, a)
			}
		}
		if s.ProviderReference != "" {
			other := s
			other.ProviderReference = "obj_another"
			w.server.will(says(w.Found(other, s.Amount)))
			if a, v := w.ask(s, mapping.Query); v.Evidence != payment.EvidenceUnknown {
				w.Errorf("%s, another id: %s proves %s (answer %+v)", s.Method, v.Row, v.Evidence, a)
			}
		}
	}
}

// Goal: a status that nobody documents is not guessed in a look-up either.
func oddLookUp(w *world) {
	for _, s := range w.asked() {
		w.server.will(says(w.Odd(s)))
		for _, m := range []payment.Method{mapping.Query, mapping.Fenced} {
			if a, v := w.ask(s, m); v.Evidence != payment.EvidenceUnknown {
				w.Errorf("%s by %q, %s: %s proves %s (code %q)", s.Method, s.ProviderReference, m, v.Row, v.Evidence, a.Code)
			}
		}
	}
}
