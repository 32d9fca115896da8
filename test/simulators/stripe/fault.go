package stripe

import (
	"net/http"
	"strings"
)

// Fault is what goes wrong with one write.
type Fault string

// The faults. After and Before say whether the effect was made.
const (
	FaultNone          Fault = ""
	Fault500Before     Fault = "500_before"   // stored under the key
	Fault500After      Fault = "500_after"    // stored under the key
	FaultDependency    Fault = "424"          // stored under the key, without effect
	FaultGateway       Fault = "502_after"    // executed and stored; a proxy answers
	FaultUnavailable   Fault = "503_before"   // not stored
	FaultDropBefore    Fault = "drop_before"  // not executed
	FaultDropAfter     Fault = "drop_after"   // executed and stored
	FaultHangBefore    Fault = "hang_before"  // not executed
	FaultHangAfter     Fault = "hang_after"   // executed and stored
	FaultRateLimit     Fault = "429"          // not stored
	FaultLockTimeout   Fault = "lock_timeout" // not stored
	FaultKeyInUse      Fault = "409"          // not stored
	FaultUnauthorized  Fault = "401"          // not stored
	faultTokenPrefix         = "pm_fault_"
	shouldRetry              = "Stripe-Should-Retry"
	rateLimited              = "Stripe-Rate-Limited-Reason"
	invalidRequest           = "invalid_request_error"
	apiError                 = "api_error"
	messageUnavailable       = "Stripe is unavailable."
)

// takeFault is the fault of a call: the next one, or the one that its token names
// if the key is new.
func (s *Simulator) takeFault(c call) Fault {
	if f, waits := s.Take(); waits {
		return f
	}
	name, named := strings.CutPrefix(c.get("payment_method"), faultTokenPrefix)
	if !named || s.Came(c.key) {
		return FaultNone
	}
	return Fault(name)
}

// before is the answer of a fault that comes before any execution.
func (f Fault) before() (answer, bool) {
	refused := func(status int, kind, code, message, retry string) (answer, bool) {
		a := failure(status, kind, code, message, nil)
		if retry != "" {
			a.header = map[string]string{shouldRetry: retry}
		}
		return a, true
	}
	switch f {
	case FaultDropBefore:
		return answer{drop: true}, true
	case FaultHangBefore:
		return answer{hang: true}, true
	case FaultUnavailable:
		return refused(http.StatusServiceUnavailable, apiError, "", messageUnavailable, "true")
	case FaultRateLimit:
		a, refused := refused(http.StatusTooManyRequests, invalidRequest, "rate_limit", "Request rate limit exceeded.", "true")
		a.header[rateLimited] = "global-rate"
		return a, refused
	case FaultLockTimeout:
		return refused(http.StatusTooManyRequests, invalidRequest, "lock_timeout", "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.", "true")
	case FaultKeyInUse:
		return refused(http.StatusConflict, "idempotency_error", "idempotency_key_in_use", "There is currently another in-progress request using this key.", "")
	case FaultUnauthorized:
		return refused(http.StatusUnauthorized, invalidRequest, "", "Invalid API Key provided.", "")
	case FaultNone, Fault500Before, Fault500After, FaultDependency, FaultGateway, FaultDropAfter, FaultHangAfter:
	}
	return answer{}, false
}

// execute runs an operation, with what goes wrong in it.
func (s *Simulator) execute(op operation, c call, f Fault) answer {
	switch f {
	case Fault500Before:
		return failure(http.StatusInternalServerError, apiError, "", "An error occurred.", nil)
	case FaultDependency:
		return failure(http.StatusFailedDependency, apiError, "", "A dependency failed.", nil)
	case FaultNone, Fault500After, FaultGateway, FaultUnavailable, FaultDropBefore, FaultDropAfter,
		FaultHangBefore, FaultHangAfter, FaultRateLimit, FaultLockTimeout, FaultKeyInUse, FaultUnauthorized:
	}
	a := op(c)
	if a.unexecuted {
		return a
	}
	if f == Fault500After {
		return failure(http.StatusInternalServerError, apiError, "", "An error occurred.", nil)
	}
	return f.deliver(a)
}

// deliver loses an answer on its way.
func (f Fault) deliver(a answer) answer {
	a.drop, a.hang = f == FaultDropAfter, f == FaultHangAfter
	return a
}
