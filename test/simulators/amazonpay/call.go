package amazonpay

import (
	"encoding/json"
	"io"
	"net/http"
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
		ChargePermissionID            string   `json:"chargePermissionId"`
		ChargeID                      string   `json:"chargeId"`
		ChargeAmount                  *price   `json:"chargeAmount"`
		CaptureAmount                 *price   `json:"captureAmount"`
		RefundAmount                  *price   `json:"refundAmount"`
		CaptureNow                    bool     `json:"captureNow"`
		CanHandlePendingAuthorization bool     `json:"canHandlePendingAuthorization"`
		SoftDescriptor                string   `json:"softDescriptor"`
		CancellationReason            string   `json:"cancellationReason"`
		MerchantMetadata              metadata `json:"merchantMetadata"`
	}
	unread bool // the body is not JSON of known fields
}

// metadata is what a merchant leaves on a charge.
type metadata struct {
	MerchantReferenceID string `json:"merchantReferenceId"`
	CustomInformation   string `json:"customInformation"`
}

// price is an amount in the major unit.
type price struct {
	Amount       string `json:"amount"`
	CurrencyCode string `json:"currencyCode"`
}

// operation serves a call. It is called with the lock held.
type operation func(call) answer

// saved is a key and, once its first request was executed, the response to it.
type saved struct {
	request string
	done    bool
	answer  answer
}

// answer is what goes back to the client.
type answer struct {
	status     int
	body       any
	unexecuted bool // refused before the execution: not saved
	replayed   bool
	drop, hang bool
}

func readCall(r *http.Request) (call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, err
	}
	c := call{key: r.Header.Get("X-Amz-Pay-Idempotency-Key"), raw: string(body)}
	if r.Method != http.MethodGet {
		in := json.NewDecoder(strings.NewReader(c.raw))
		in.DisallowUnknownFields()
		c.unread = in.Decode(&c.body) != nil
	}
	return c, nil
}

// refusal is an error that nothing was executed before.
func refusal(status int, reason, message string) answer {
	return answer{status: status, body: object{"reasonCode": reason, "message": message}, unexecuted: true}
}

func invalid(what string) answer {
	return refusal(http.StatusBadRequest, "InvalidParameterValue", "The value provided for ["+what+"] is invalid.")
}

func missing(what string) answer {
	return refusal(http.StatusNotFound, "ResourceNotFound", "The resource ["+what+"] was not found.")
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter, id string) {
	raw, err := json.Marshal(a.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	h.Set("X-Amz-Pay-Request-Id", id)
	w.WriteHeader(a.status)
	_, _ = w.Write(raw)
}

// serve answers a call: reads at once, writes with what goes wrong in them, and a
// POST once for its key.
func (s *Simulator) serve(r *http.Request, c call) answer {
	if a, refused := s.unsigned(r, c.raw); refused {
		return a
	}
	op := s.route(r.Method, r.URL.Path)
	if op == nil {
		return refusal(http.StatusMethodNotAllowed, "UnsupportedOperation", "The operation is not supported.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodGet {
		return op(c)
	}
	fault := s.takeFault(c)
	if a, stopped := fault.before(); stopped {
		return a
	}
	switch {
	case r.Method == http.MethodDelete:
		return fault.after(op(c))
	case c.key == "":
		return refusal(http.StatusBadRequest, "MissingHeader", "x-amz-pay-idempotency-key is missing.")
	case len(c.key) > 32 || strings.Trim(c.key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return refusal(http.StatusBadRequest, "InvalidHeaderValue", "x-amz-pay-idempotency-key is invalid.")
	}
	return s.once(r.URL.Path, op, c, fault)
}

// once executes under a key, or gives what is saved.
func (s *Simulator) once(path string, op operation, c call, fault Fault) answer {
	request := path + "\n" + c.raw
	k := s.saved[c.key]
	switch {
	case k == nil:
	case k.request != request:
		return refusal(http.StatusBadRequest, "DuplicateIdempotencyKey", "The idempotency key was already used in a different request.")
	case !k.done:
		return answer{status: http.StatusTooEarly, body: object{}}
	default:
		a := k.answer
		a.replayed = true
		return fault.after(a)
	}
	k = &saved{request: request}
	s.saved[c.key] = k
	if s.cfg.Executing != nil {
		s.mu.Unlock()
		s.cfg.Executing(c.key)
		s.mu.Lock()
	}
	a := op(c)
	if a.unexecuted {
		delete(s.saved, c.key)
		return a
	}
	k.done, k.answer = true, a
	return fault.after(a)
}
