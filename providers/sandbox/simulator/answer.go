package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The codes of errors.
const (
	CodeDeclined       = "declined"
	CodeInvalidRequest = "invalid_request"
	CodeUnauthorized   = "unauthorized"
	CodeRateLimited    = "rate_limited"
	CodeKeyInUse       = "key_in_use"
	CodeKeyReused      = "key_reused"
	CodeServerError    = "server_error"
	CodeUnavailable    = "unavailable"
	CodeNotFound       = "not_found"
	CodeNoSuchRoute    = "no_such_route"
	// CodeFailed is the answer to a capture, refund, void or cancel that was executed
	// and had no effect; the failure code says why.
	CodeFailed = "failed"
	// CodeNoSuchAuthorization and CodeNothingHeld refuse a capture, refund or void
	// before anything is executed.
	CodeNoSuchAuthorization = "no_such_authorization"
	CodeNothingHeld         = "nothing_held"
	// CodeNothingFound is the answer to a cancel that was executed when no
	// authorization had its reference.
	CodeNothingFound = "nothing_found"
)

const (
	// redirectTarget is where the redirect points; nobody should ever arrive there.
	redirectTarget = "/v1/redirected"
	// maxHang bounds a request that is never answered and never given up.
	maxHang = 10 * time.Minute
	// foreignStatus is a status that the API does not have.
	foreignStatus = "teleported"
)

// apiError is an answer that is no object.
type apiError struct {
	status      int
	Code        string `json:"code"`
	DeclineCode string `json:"decline_code,omitempty"`
	FailureCode string `json:"failure_code,omitempty"`
	Message     string `json:"message"`
	ID          string `json:"id,omitempty"` // of the object, where there is one
	Reference   string `json:"reference,omitempty"`
}

func (e apiError) body() []byte {
	body, err := json.Marshal(map[string]apiError{"error": e})
	if err != nil {
		return nil // strings always marshal
	}
	return body
}

func failure(e apiError) reply {
	return reply{status: e.status, body: e.body(), step: step{delivery: deliverAnswer}}
}

// answerOf is what the first request of a key is answered, and every later one.
func answerOf(o object) (status int, body []byte) {
	if o.Status == StatusFailed {
		e := apiError{
			status: http.StatusUnprocessableEntity, Code: CodeFailed, FailureCode: o.FailureCode,
			Message: "the " + string(o.Kind) + " failed: " + o.FailureCode, ID: o.ID, Reference: o.Reference,
		}
		return e.status, e.body()
	}
	if o.Status == StatusDeclined {
		e := apiError{
			status: http.StatusPaymentRequired, Code: CodeDeclined, DeclineCode: o.DeclineCode,
			Message: "the payment was declined: " + o.DeclineCode, ID: o.ID, Reference: o.Reference,
		}
		return e.status, e.body()
	}
	return http.StatusOK, show(o)
}

// show is the object as the API shows it.
func show(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return nil // plain values always marshal
	}
	return body
}

func writeError(w http.ResponseWriter, e apiError) { writeJSON(w, e.status, e.body()) }

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // G705: it is JSON, says so, and no browser shows it
}

// deliver hands the reply to the client, or does to it what the step asks for.
// What the request has done is durable by now.
func (s *Simulator) deliver(w http.ResponseWriter, r *http.Request, out reply) {
	maps.Copy(w.Header(), out.header)
	switch out.step.delivery {
	case deliverAnswer, deliverTwice:
		writeJSON(w, out.status, out.body)
	case deliverError:
		retryAfter(w, out.step)
		writeError(w, apiError{status: out.step.status, Code: out.step.code, Message: "simulated"})
	case deliverGarbage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><body>It works!</body></html>"))
	case deliverEmpty:
		w.WriteHeader(http.StatusOK)
	case deliverOversized:
		writeJSON(w, http.StatusOK, append(bytes.Repeat([]byte(" "), 2<<20), out.body...))
	case deliverForeign:
		writeJSON(w, http.StatusOK, foreign(out.body))
	case deliverRedirect:
		w.Header().Set("Location", redirectTarget)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case deliverHang:
		s.hang(r)
		s.breakOff(w, "", false)
	case deliverDrop, deliverDropLater:
		s.breakOff(w, "", false)
	case deliverReset:
		s.breakOff(w, "", true)
	case deliverCut:
		s.breakOff(w, head(len(out.body)), true)
	case deliverTruncated:
		s.breakOff(w, head(len(out.body))+string(out.body[:len(out.body)/2]), false)
	}
}

func head(length int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

func retryAfter(w http.ResponseWriter, st step) {
	switch {
	case st.wait == 0:
	case st.date:
		w.Header().Set("Retry-After", time.Now().Add(st.wait).UTC().Format(http.TimeFormat))
	default:
		w.Header().Set("Retry-After", strconv.Itoa(int((st.wait+time.Second-1)/time.Second)))
	}
}

// foreign gives the object a status that is in no documentation.
func foreign(body []byte) []byte {
	var o map[string]any
	if json.Unmarshal(body, &o) != nil {
		return body
	}
	o["status"] = foreignStatus
	return show(o)
}

// hang waits until the client gives up.
func (s *Simulator) hang(r *http.Request) { s.sleep(r.Context(), maxHang) }

// breakOff writes raw bytes and closes the connection, or resets it.
func (s *Simulator) breakOff(w http.ResponseWriter, raw string, reset bool) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil { // not HTTP/1.1: the nearest thing to no answer
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	if raw != "" {
		_, _ = buffered.WriteString(raw)
		_ = buffered.Flush()
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
}
