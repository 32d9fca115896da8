package amazonpay

import (
	"net/http"
	"strings"
)

// Fault is what goes wrong with one write.
type Fault string

// The faults. After and Before say whether the effect was made; what was made is
// saved under its key.
const (
	FaultNone         Fault = ""
	Fault500Before    Fault = "500_before"
	Fault500After     Fault = "500_after"
	FaultGateway      Fault = "502_after"  // a proxy answers for Amazon
	FaultUnavailable  Fault = "503_before" // ServiceUnavailable
	FaultThrottled503 Fault = "503_throttled"
	FaultGatewayTime  Fault = "504_after" // a proxy gives up on Amazon
	FaultThrottled    Fault = "429"
	FaultTimeout      Fault = "408_before"
	FaultInUse        Fault = "425"
	FaultDropBefore   Fault = "drop_before"
	FaultDropAfter    Fault = "drop_after"
	FaultHangBefore   Fault = "hang_before"
	FaultHangAfter    Fault = "hang_after"

	faultPermission = "fault_"
)

// takeFault is the fault of a call: the next one, or the one that its permission
// names if the key is new.
func (s *Simulator) takeFault(c call) Fault {
	if f, waits := s.Take(); waits {
		return f
	}
	name, named := strings.CutPrefix(c.body.ChargePermissionID, faultPermission)
	if !named || s.Came(c.key) {
		return FaultNone
	}
	return Fault(name)
}

// before is the answer of a fault that comes before any execution.
func (f Fault) before() (a answer, stopped bool) {
	switch f {
	case FaultDropBefore:
		return answer{drop: true, unexecuted: true}, true
	case FaultHangBefore:
		return answer{hang: true, unexecuted: true}, true
	case Fault500Before:
		return refusal(http.StatusInternalServerError, "InternalServerError", "An error occurred."), true
	case FaultUnavailable:
		return refusal(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is unavailable."), true
	case FaultThrottled503:
		return refusal(http.StatusServiceUnavailable, "RequestThrottled", "The request was throttled."), true
	case FaultThrottled:
		return refusal(http.StatusTooManyRequests, "TooManyRequests", "Too many requests."), true
	case FaultTimeout:
		return refusal(http.StatusRequestTimeout, "RequestTimeout", "The request timed out."), true
	case FaultInUse:
		return answer{status: http.StatusTooEarly, body: object{}, unexecuted: true}, true
	case FaultNone, Fault500After, FaultGateway, FaultGatewayTime, FaultDropAfter, FaultHangAfter:
	}
	return answer{}, false
}

// after is what becomes of an answer on its way.
func (f Fault) after(a answer) answer {
	switch f {
	case Fault500After:
		return refusal(http.StatusInternalServerError, "InternalServerError", "An error occurred.")
	case FaultGateway:
		return answer{status: http.StatusBadGateway, body: object{}}
	case FaultGatewayTime:
		return answer{status: http.StatusGatewayTimeout, body: object{}}
	case FaultDropAfter:
		a.drop = true
	case FaultHangAfter:
		a.hang = true
	case FaultNone, Fault500Before, FaultUnavailable, FaultThrottled503, FaultThrottled, FaultTimeout, FaultInUse, FaultDropBefore, FaultHangBefore:
	}
	return a
}
