package adyen

import (
	"net/http"
	"strings"
)

// Fault is what goes wrong with one request.
type Fault string

// The faults. After and Before say whether the effect was made; what was made is
// stored under the key, so that the same request brings the answer that was lost.
const (
	FaultNone         Fault = ""
	Fault500Before    Fault = "500_before"
	Fault500After     Fault = "500_after"
	FaultGateway      Fault = "502_after" // a proxy answers
	FaultDropBefore   Fault = "drop_before"
	FaultDropAfter    Fault = "drop_after"
	FaultHangBefore   Fault = "hang_before"
	FaultHangAfter    Fault = "hang_after"
	FaultStoreAway    Fault = "703" // the store of keys is away; transient
	FaultInFlight     Fault = "704" // another copy is being worked on; transient
	FaultRateLimit    Fault = "429"
	FaultUnauthorized Fault = "401"
	FaultConfigured   Fault = "905" // a 500 that is a fault of the configuration
	// FaultNoEcho processes without a look at the key: what is done is not stored
	// under it, and the answer does not repeat it.
	FaultNoEcho Fault = "no_echo"
)

const faultTokenPrefix = "fault_"

// takeFault is the fault of a call: the next one, or the one that its token names
// if the key is new.
func (s *Simulator) takeFault(c call) Fault {
	if f, waits := s.Take(); waits {
		return f
	}
	name, named := strings.CutPrefix(c.PaymentMethod["storedPaymentMethodId"], faultTokenPrefix)
	if !named || s.Came(c.key) {
		return FaultNone
	}
	return Fault(name)
}

// before is the answer of a fault that comes before anything is done.
func (f Fault) before() (answer, bool) {
	transient := func(a answer) (answer, bool) {
		a.transient = true
		return a, true
	}
	switch f {
	case FaultDropBefore:
		return answer{drop: true}, true
	case FaultHangBefore:
		return answer{hang: true}, true
	case Fault500Before:
		return failure(http.StatusInternalServerError, "internal", "", "An internal error happened"), true
	case FaultStoreAway:
		return transient(failure(http.StatusServiceUnavailable, "internal", "703", "required resource temporarily unavailable"))
	case FaultInFlight:
		return transient(failure(http.StatusConflict, "validation", "704", "request already processed or in progress"))
	case FaultRateLimit:
		return failure(http.StatusTooManyRequests, "", "", "Too many requests"), true
	case FaultUnauthorized:
		return failure(http.StatusUnauthorized, "security", "000", "HTTP Status Response - Unauthorized"), true
	case FaultConfigured:
		return failure(http.StatusInternalServerError, "configuration", "905", "Payment details are not supported"), true
	case FaultNone, Fault500After, FaultGateway, FaultDropAfter, FaultHangAfter, FaultNoEcho:
	}
	return answer{}, false
}

// deliver loses an answer on its way, or has another come in its place.
func (f Fault) deliver(a answer) answer {
	switch f {
	case FaultDropAfter:
		a.drop = true
	case FaultHangAfter:
		a.hang = true
	case Fault500After:
		return failure(http.StatusInternalServerError, "internal", "", "An internal error happened")
	case FaultGateway:
		return answer{status: http.StatusBadGateway, body: "Bad gateway"}
	case FaultNone, Fault500Before, FaultDropBefore, FaultHangBefore, FaultStoreAway, FaultInFlight, FaultRateLimit,
		FaultUnauthorized, FaultConfigured, FaultNoEcho:
	}
	return a
}
