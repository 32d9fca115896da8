package simulator

import (
	"net"
	"net/http"
	"slices"
	"time"
)

// authorized is a handler of requests whose credential was taken.
type authorized = func(w http.ResponseWriter, r *http.Request, merchant string)

// list answers with every object of a verb and a reference: there is more than
// one only if somebody sent the reference under more than one key.
func (s *Simulator) list(verb Kind) authorized {
	return func(w http.ResponseWriter, r *http.Request, merchant string) {
		reference := r.URL.Query().Get("reference")
		s.record(r.Context(), Entry{Kind: KindQuery, Time: time.Now(), Merchant: merchant, Verb: verb, Reference: reference})
		if reference == "" {
			writeError(w, apiError{status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: "reference is missing"})
			return
		}
		found := s.state.find(merchant, verb, "", reference)
		if found == nil {
			found = []object{}
		}
		writeJSON(w, http.StatusOK, show(map[string][]object{"data": found}))
	}
}

// get answers with the object of a verb that has an id.
func (s *Simulator) get(verb Kind) authorized {
	return func(w http.ResponseWriter, r *http.Request, merchant string) {
		id := r.PathValue("id")
		s.record(r.Context(), Entry{Kind: KindQuery, Time: time.Now(), Merchant: merchant, Verb: verb, Object: id})
		found := s.state.find(merchant, verb, id, "")
		if len(found) != 1 {
			writeError(w, apiError{status: http.StatusNotFound, Code: CodeNotFound, Message: "no such object"})
			return
		}
		writeJSON(w, http.StatusOK, show(found[0]))
	}
}

// getAction is the page that a shopper is sent to. Whoever opens it agrees.
func (s *Simulator) getAction(w http.ResponseWriter, r *http.Request) {
	s.settle(r.Context(), r.PathValue("id"), StatusRequiresAction)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Thank you. You may close this window.\n"))
}

// followed is where redirects point. Arriving here is a fault of the client,
// and shows as an effect that no key protects.
func (s *Simulator) followed(w http.ResponseWriter, r *http.Request) {
	at, key := time.Now(), r.Header.Get("Idempotency-Key")
	s.record(r.Context(),
		Entry{Kind: KindRequest, Time: at, Merchant: "default", Key: key},
		Entry{Kind: KindEffect, Time: at, Merchant: "default", Key: key, Object: newID("auth_")})
	writeError(w, apiError{status: http.StatusInternalServerError, Code: CodeServerError, Message: "a redirect was followed"})
}

// getEffects shows the log to people and tests on the same machine.
func (s *Simulator) getEffects(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		writeError(w, apiError{status: http.StatusNotFound, Code: CodeNoSuchRoute, Message: "no such route"})
		return
	}
	q := r.URL.Query()
	kinds := EffectKinds()
	if q.Has("kind") {
		kinds = nil
		for _, k := range q["kind"] {
			kinds = append(kinds, Kind(k))
		}
	}
	entries, err := s.Entries(kinds...)
	if err != nil {
		writeError(w, apiError{status: http.StatusInternalServerError, Code: CodeServerError, Message: "the log cannot be read"})
		return
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool {
		return (q.Has("reference") && e.Reference != q.Get("reference")) || (q.Has("key") && e.Key != q.Get("key")) ||
			(q.Has("parent") && e.Parent != q.Get("parent"))
	})
	if entries == nil {
		entries = []Entry{}
	}
	writeJSON(w, http.StatusOK, show(map[string][]Entry{"entries": entries}))
}
