package truelayer

import "net/http"

// Fault is what goes wrong with one POST.
type Fault string

// The faults. After and Before say whether the effect was made; what was made is kept
// under its key.
const (
	FaultNone       Fault = ""
	Fault500Before  Fault = "500_before"
	Fault500After   Fault = "500_after"
	Fault500Stop    Fault = "500_stop"  // before, and the same key brings it again: Tl-Should-Retry false
	FaultGateway    Fault = "502_after" // Provider Error
	FaultRateLimit  Fault = "429"
	FaultInUse      Fault = "409" // another copy is being worked on
	FaultToken      Fault = "401_token"
	FaultSignature  Fault = "401_signature"
	FaultDropBefore Fault = "drop_before"
	FaultDropAfter  Fault = "drop_after"
	FaultHangBefore Fault = "hang_before"
	FaultHangAfter  Fault = "hang_after"
)

// before is the answer of a fault that comes before any execution.
func (f Fault) before() (a answer, stopped bool) {
	switch f {
	case FaultDropBefore:
		return answer{drop: true}, true
	case FaultHangBefore:
		return answer{hang: true}, true
	case Fault500Before:
		return refusal(http.StatusInternalServerError, "Unknown Error", "An unknown error occurred."), true
	case Fault500Stop:
		a = refusal(http.StatusInternalServerError, "Unknown Error", "An unknown error occurred.")
		a.retry = "false"
		return a, true
	case FaultRateLimit:
		return refusal(http.StatusTooManyRequests, "Rate Limit Exceeded", "Too many requests."), true
	case FaultInUse:
		return refusal(http.StatusConflict, "Idempotency-Key Concurrency Conflict", "The Idempotency-Key value is being used for a concurrent request."), true
	case FaultToken:
		return refusal(http.StatusUnauthorized, "Unauthenticated", "The token is expired."), true
	case FaultSignature:
		return refusal(http.StatusUnauthorized, "Unauthenticated", "Invalid request signature."), true
	case FaultNone, Fault500After, FaultGateway, FaultDropAfter, FaultHangAfter:
	}
	return answer{}, false
}

// after is what becomes of an answer on its way.
func (f Fault) after(a answer) answer {
	switch f {
	case Fault500After:
		return refusal(http.StatusInternalServerError, "Unknown Error", "An unknown error occurred.")
	case FaultGateway:
		return refusal(http.StatusBadGateway, "Provider Error", "The bank did not answer.")
	case FaultDropAfter:
		a.drop = true
	case FaultHangAfter:
		a.hang = true
	case FaultNone, Fault500Before, Fault500Stop, FaultRateLimit, FaultInUse, FaultToken, FaultSignature, FaultDropBefore, FaultHangBefore:
	}
	return a
}
