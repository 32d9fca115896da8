package adyen

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// call is a request as an operation sees it.
type call struct {
	key string
	raw []byte
	body
}

// body is what the simulator knows of the bodies of requests.
type body struct {
	MerchantAccount          string            `json:"merchantAccount"`
	Reference                string            `json:"reference"`
	PaymentReference         string            `json:"paymentReference"`
	Amount                   *amount           `json:"amount"`
	PaymentMethod            map[string]string `json:"paymentMethod"`
	ReturnURL                string            `json:"returnUrl"`
	AdditionalData           map[string]string `json:"additionalData"`
	CaptureDelayHours        *int              `json:"captureDelayHours"`
	Metadata                 map[string]string `json:"metadata"`
	Details                  map[string]string `json:"details"`
	PaymentData              string            `json:"paymentData"`
	ShopperStatement         string            `json:"shopperStatement"`
	ShopperReference         string            `json:"shopperReference"`
	ShopperInteraction       string            `json:"shopperInteraction"`
	RecurringProcessingModel string            `json:"recurringProcessingModel"`
	ShopperEmail             string            `json:"shopperEmail"`
	ShopperIP                string            `json:"shopperIP"`
	TelephoneNumber          string            `json:"telephoneNumber"`
	Channel                  string            `json:"channel"`
	BrowserInfo              object            `json:"browserInfo"`
	MerchantRefundReason     string            `json:"merchantRefundReason"`
}

type amount struct {
	Currency string `json:"currency"`
	Value    int64  `json:"value"`
}

// operation serves a call. It is called with the lock held.
type operation func(call) answer

// stored is a key and, once its first request was processed, the answer to it.
type stored struct {
	done   bool
	answer answer
}

// answer is what goes back to the client.
type answer struct {
	status     int
	id         string // the pspReference in it
	body       any
	transient  bool
	processed  bool // stored under its key
	replayed   bool
	unechoed   bool
	drop, hang bool
}

// object is a JSON object.
type object = map[string]any

// ok is the answer to a request that was processed.
func ok(status int, id string, body object) answer {
	return answer{status: status, id: id, body: body, processed: true}
}

// failure is an error in Adyen's form.
func failure(status int, kind, code, message string) answer {
	return answer{status: status, body: object{"status": status, "errorCode": code, "message": message, "errorType": kind}}
}

func readCall(r *http.Request) (call, error) {
	raw, err := io.ReadAll(r.Body)
	return call{key: r.Header.Get("Idempotency-Key"), raw: raw}, err
}

// write sends the answer. The key is repeated where it was looked at.
func (a answer) write(w http.ResponseWriter, key string) {
	raw, err := json.Marshal(a.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	if key != "" && !a.unechoed && (a.status < 300 || a.status == http.StatusUnprocessableEntity) {
		h.Set("Idempotency-Key", key)
	}
	if a.transient {
		h.Set("Transient-Error", "true")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(raw)
}

// serve processes a request once for its key.
func (s *Simulator) serve(r *http.Request, c call) answer {
	op := s.route(r.URL.Path)
	in := json.NewDecoder(bytes.NewReader(c.raw))
	in.DisallowUnknownFields()
	err := in.Decode(&c.body)
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.takeFault(c)
	switch a, faulty := fault.before(); {
	case !strings.HasPrefix(r.Header.Get("X-API-Key"), "AQE"):
		return failure(http.StatusUnauthorized, "security", "000", "HTTP Status Response - Unauthorized")
	case faulty:
		return a
	case op == nil || r.Method != http.MethodPost:
		return failure(http.StatusNotFound, "validation", "", "Not found")
	case err != nil:
		return failure(http.StatusBadRequest, "validation", "702", "Unexpected input")
	case len(c.key) > 64:
		return failure(http.StatusUnprocessableEntity, "validation", "702", "The idempotency key is too long")
	case c.MerchantAccount != s.cfg.MerchantAccount && c.Details == nil:
		return failure(http.StatusForbidden, "security", "901", "Invalid Merchant Account")
	case c.key == "" || fault == FaultNoEcho: // processed without a look at the key
		a := fault.deliver(op(c))
		a.unechoed = true
		return a
	}
	return s.once(op, c, fault)
}

// once processes under a key, or replays: whatever it is that comes under it.
func (s *Simulator) once(op operation, c call, fault Fault) answer {
	k := s.keys[c.key]
	switch {
	case k == nil:
	case !k.done:
		a := failure(s.cfg.InFlight, "validation", "704", "request already processed or in progress")
		a.transient = true
		return a
	default:
		a := k.answer
		a.replayed = true
		return fault.deliver(a)
	}
	k = &stored{}
	s.keys[c.key] = k
	if s.cfg.Executing != nil {
		s.mu.Unlock()
		s.cfg.Executing(c.key)
		s.mu.Lock()
	}
	a := op(c)
	if !a.processed {
		delete(s.keys, c.key)
		return a
	}
	k.done, k.answer = true, a
	return fault.deliver(a)
}
