package providers

import (
	"errors"
	"net/http"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Why a delivery is not taken in. None of them says anything about money: what was
// refused may be delivered again, and the provider can always be asked.
var (
	// ErrForged: the delivery does not prove that the provider sent it to this account.
	ErrForged = errors.New("the delivery is not signed by the provider")
	// ErrStale: it is signed, but so old that it may have been recorded and sent again.
	ErrStale = errors.New("the delivery is older than the provider's signatures are valid")
	// ErrMalformed: it is signed, and cannot be read.
	ErrMalformed = errors.New("the delivery cannot be read")
)

// Delivery is one request that a provider sent to us, complete.
type Delivery struct {
	Method   string
	Path     string // absolute, without query, as it was asked for
	Header   http.Header
	Body     []byte    // as it arrived: signatures are over these bytes
	Received time.Time // when it had arrived, since drivers read no clock
}

// Told is what a delivery says.
type Told struct {
	Events []payment.Event
	// Unread are the types of authentic events in it that the driver has no use for.
	Unread []string
	// Forged counts the events in it that were not signed, where each has a
	// signature of its own and others in the same delivery were.
	Forged int
}
