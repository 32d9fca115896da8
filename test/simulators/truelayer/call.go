package truelayer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// call is a request as an operation sees it.
type call struct {
	key  string
	raw  string // the body
	body struct {
		AmountInMinor int64             `json:"amount_in_minor"`
		Currency      string            `json:"currency"`
		Reference     string            `json:"reference"`
		Metadata      map[string]string `json:"metadata"`
		User          struct {
			ID    string `json:"id"`
			Name  string `json:"name"`
			Email string `json:"email"`
			Phone string `json:"phone"`
		} `json:"user"`
		PaymentMethod struct {
			Type              string `json:"type"`
			ProviderSelection struct {
				Type            string `json:"type"`
				ProviderID      string `json:"provider_id"`
				SchemeSelection object `json:"scheme_selection"`
			} `json:"provider_selection"`
			Beneficiary struct {
				Type              string `json:"type"`
				MerchantAccountID string `json:"merchant_account_id"`
				AccountHolderName string `json:"account_holder_name"`
				Reference         string `json:"reference"`
			} `json:"beneficiary"`
		} `json:"payment_method"`
	}
	unread bool // the body is not JSON of known fields
}

// operation serves a call. It is called with the lock held.
type operation func(call) answer

// kept is a key and, once its first request was executed, the answer to it.
type kept struct {
	request string
	done    bool
	answer  answer
}

// answer is what goes back to the client.
type answer struct {
	status     int
	body       any    // nil for none
	retry      string // Tl-Should-Retry; "" for none
	unexecuted bool   // not kept
	replayed   bool
	drop, hang bool
}

func readCall(r *http.Request) (call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, err
	}
	c := call{key: r.Header.Get("Idempotency-Key"), raw: string(body)}
	if r.Method == http.MethodPost && c.raw != "" {
		in := json.NewDecoder(strings.NewReader(c.raw))
		in.DisallowUnknownFields()
		c.unread = in.Decode(&c.body) != nil
	}
	return c, nil
}

// refusal is an error that nothing was executed before. The same key may bring
// another answer.
func refusal(status int, title, detail string) answer {
	return answer{status: status, retry: "true", unexecuted: true, body: object{
		"type":  "https://docs.truelayer.com/docs/error-types#" + strings.ReplaceAll(strings.ToLower(title), " ", "-"),
		"title": title, "status": status, "detail": detail, "trace_id": "2dcda79d9a30654d878a9daf69eeea15",
	}}
}

func invalid(what string) answer {
	return refusal(http.StatusBadRequest, "Invalid Parameters", what)
}

func missing() answer {
	return refusal(http.StatusNotFound, "Not Found", "It could not be found.")
}

// done is the answer to what was executed.
func done(status int, body any) answer { return answer{status: status, body: body, retry: "false"} }

// write sends the answer.
func (a answer) write(w http.ResponseWriter) {
	var raw []byte
	h := w.Header()
	if a.body != nil {
		var err error
		if raw, err = json.Marshal(a.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	if a.retry != "" {
		h.Set("Tl-Should-Retry", a.retry)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(raw)
}

// serve answers a call: tokens and keys to everybody, the rest to who has a token.
func (s *Simulator) serve(r *http.Request, c call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /connect/token":
		return s.grant(c.raw)
	case "GET /.well-known/jwks":
		return answer{status: http.StatusOK, body: s.keySet()}
	}
	until, given := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	op := s.route(r.Method, r.URL.Path)
	switch {
	case !given || !s.cfg.Now().Before(until):
		return refusal(http.StatusUnauthorized, "Unauthenticated", "A Bearer token must be provided in the Authorization header.")
	case op == nil:
		return missing()
	case r.Method == http.MethodGet:
		s.expire()
		return op(c)
	}
	fault, _ := s.Take()
	if a, stopped := fault.before(); stopped {
		return a
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	switch {
	case !s.signed(r, c.raw):
		return refusal(http.StatusUnauthorized, "Unauthenticated", "Invalid request signature.")
	case !uuid.MatchString(c.key):
		return invalid("The Idempotency-Key is no UUID of version 4.")
	case c.unread:
		return invalid("The body is not JSON of known fields.")
	}
	s.expire()
	return s.once(r.URL.Path, op, c, fault)
}

// grant gives an access token.
func (s *Simulator) grant(form string) answer {
	v, err := url.ParseQuery(form)
	if err != nil || v.Get("grant_type") != "client_credentials" || v.Get("scope") != "payments" ||
		v.Get("client_id") != s.cfg.ClientID || v.Get("client_secret") != s.cfg.ClientSecret {
		return answer{status: http.StatusBadRequest, body: object{"error": "invalid_client"}}
	}
	if s.refusals > 0 {
		s.refusals--
		return answer{status: http.StatusServiceUnavailable}
	}
	s.grants++
	token := "PLANTEDTOKEN." + strconv.Itoa(s.grants)
	s.tokens[token] = s.cfg.Now().Add(s.cfg.TokenLife)
	return answer{status: http.StatusOK, body: object{
		"access_token": token, "expires_in": int64(s.cfg.TokenLife.Seconds()), "token_type": "Bearer", "scope": "payments",
	}}
}

// once executes under a key, or gives what is kept.
func (s *Simulator) once(path string, op operation, c call, fault Fault) answer {
	request := path + "\n" + c.raw
	k := s.keys[c.key]
	switch {
	case k == nil:
	case k.request != request:
		return refusal(http.StatusUnprocessableEntity, "Idempotency-Key Reuse", "The Idempotency-Key value has already been used for a different request.")
	case !k.done:
		return refusal(http.StatusConflict, "Idempotency-Key Concurrency Conflict", "The Idempotency-Key value is being used for a concurrent request.")
	default:
		a := k.answer
		a.replayed = true
		return fault.after(a)
	}
	k = &kept{request: request}
	s.keys[c.key] = k
	if s.cfg.Executing != nil {
		s.mu.Unlock()
		s.cfg.Executing(c.key)
		s.mu.Lock()
	}
	a := op(c)
	if a.unexecuted {
		delete(s.keys, c.key)
		return a
	}
	k.done, k.answer = true, a
	return fault.after(a)
}
