package stripe

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// call is a request as an operation sees it.
type call struct {
	key    string
	raw    string // the body
	params url.Values
}

// operation serves a call. It is called with the lock held.
type operation func(call) answer

// stored is a key and, once its first request was executed, the answer to it.
type stored struct {
	request string
	done    bool
	answer  answer
}

// answer is what goes back to the client.
type answer struct {
	status      int
	body        any
	header      map[string]string
	unexecuted  bool // refused before the execution: not stored
	replayed    bool
	drop, hang  bool
	originalReq string
}

func readCall(r *http.Request) (call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, err
	}
	c := call{key: r.Header.Get("Idempotency-Key"), raw: string(body), params: r.URL.Query()}
	if r.Method == http.MethodPost {
		c.params, err = url.ParseQuery(c.raw)
	}
	return c, err
}

func (c call) get(name string) string { return c.params.Get(name) }

// number is a whole number; fallback if the parameter is absent.
func (c call) number(name string, fallback int64) (int64, bool) {
	if !c.params.Has(name) {
		return fallback, true
	}
	n, err := strconv.ParseInt(c.get(name), 10, 64)
	return n, err == nil
}

// metadata are the pairs of metadata[…].
func (c call) metadata() map[string]string {
	m := map[string]string{}
	for name := range c.params {
		if inner, ok := strings.CutPrefix(name, "metadata["); ok {
			m[strings.TrimSuffix(inner, "]")] = c.get(name)
		}
	}
	return m
}

// expands reports whether an expansion is asked for.
func (c call) expands(what string) bool {
	for name, values := range c.params {
		if strings.HasPrefix(name, "expand[") && slices.Contains(values, what) {
			return true
		}
	}
	return false
}

// unknown is a parameter that is not among the known ones; "" if there is none.
func (c call) unknown(known ...string) string {
	for name := range c.params {
		top, _, _ := strings.Cut(name, "[")
		if !slices.Contains(known, top) && top != "expand" {
			return name
		}
	}
	return ""
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// object is a JSON object.
type object = map[string]any

// failure is an error in Stripe's form.
func failure(status int, kind, code, message string, more object) answer {
	e := object{"type": kind, "message": message, "doc_url": "https://stripe.com/docs/error-codes"}
	if code != "" {
		e["code"] = code
	}
	maps.Copy(e, more)
	return answer{status: status, body: object{"error": e}}
}

// invalid is a refusal of parameters: nothing was executed.
func invalid(code, param, message string) answer {
	a := failure(http.StatusBadRequest, "invalid_request_error", code, message, object{"param": param})
	a.unexecuted = true
	return a
}

func missing(what, id string) answer {
	a := failure(http.StatusNotFound, "invalid_request_error", "resource_missing", "No such "+what+": '"+id+"'", object{"param": what})
	a.unexecuted = true
	return a
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter, r *http.Request, id string) {
	raw, err := json.Marshal(a.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	h.Set("Request-Id", id)
	h.Set("Stripe-Version", r.Header.Get("Stripe-Version"))
	for name, value := range a.header {
		h.Set(name, value)
	}
	if key := r.Header.Get("Idempotency-Key"); key != "" && r.Method == http.MethodPost {
		h.Set("Idempotency-Key", key)
		h.Set("Original-Request", a.originalReq)
	}
	if a.replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(raw)
}

// unauthorized is a refusal of the key; ok is false if the key is good.
func unauthorized(r *http.Request) (answer, bool) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if strings.HasPrefix(key, "sk_test_") || strings.HasPrefix(key, "rk_test_") {
		return answer{}, false
	}
	return failure(http.StatusUnauthorized, "invalid_request_error", "", "Invalid API Key provided.", nil), true
}

func (s *Simulator) serveRead(r *http.Request, c call) answer {
	if a, refused := unauthorized(r); refused {
		return a
	}
	op := s.route(r.Method, r.URL.Path)
	if op == nil {
		return failure(http.StatusNotFound, "invalid_request_error", "", "Unrecognized request URL.", nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return op(c)
}

// serveWrite executes a request once for its key.
func (s *Simulator) serveWrite(r *http.Request, c call) answer {
	if a, refused := unauthorized(r); refused {
		return a
	}
	op := s.route(r.Method, r.URL.Path)
	switch {
	case op == nil:
		return failure(http.StatusNotFound, "invalid_request_error", "", "Unrecognized request URL.", nil)
	case len(c.key) > 255:
		return invalid("", "Idempotency-Key", "Idempotency keys are at most 255 characters.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.takeFault(c)
	if a, limited := fault.before(); limited {
		return a
	}
	if c.key == "" {
		return s.execute(op, c, fault)
	}
	return s.once(r, op, c, fault)
}

// once executes under a key, or replays.
func (s *Simulator) once(r *http.Request, op operation, c call, fault Fault) answer {
	name := r.Header.Get("Stripe-Account") + "/" + c.key
	request := r.URL.Path + "\n" + canonical(c.params)
	k := s.keys[name]
	switch {
	case k == nil:
	case k.request != request:
		return failure(http.StatusBadRequest, "idempotency_error", "", "Keys for idempotent requests can only be used with the same parameters and endpoint they were first used with.", nil)
	case !k.done:
		return failure(http.StatusConflict, "idempotency_error", "idempotency_key_in_use", "There is currently another in-progress request using this key.", nil)
	default:
		a := k.answer
		a.replayed = true
		return fault.deliver(a)
	}
	k = &stored{request: request}
	s.keys[name] = k
	if s.cfg.Executing != nil {
		s.mu.Unlock()
		s.cfg.Executing(c.key)
		s.mu.Lock()
	}
	a := s.execute(op, c, fault)
	if a.unexecuted {
		delete(s.keys, name)
		return a
	}
	a.originalReq = s.next("req")
	k.done, k.answer = true, a
	k.answer.drop, k.answer.hang = false, false
	if fault == FaultGateway { // the answer was stored, and something before it failed
		return failure(http.StatusBadGateway, "api_error", "", "Bad gateway.", nil)
	}
	return a
}

// canonical is what a key's later requests are compared by.
func canonical(v url.Values) string { return v.Encode() }
