package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// arrivals are the deliveries whose bodies are being read. Their number is bounded,
// since each holds memory, and none of them can keep the others out: where one more
// comes than may be, the one that has taken longest is cut off. A body that comes with
// its head, as providers send it, is read by then.
type arrivals struct {
	most int

	mu  sync.Mutex
	all []*arrival // oldest first
}

// arrival is a delivery whose body is being read.
type arrival struct {
	cut    func()
	crowds bool // it was cut off; under the mu of its arrivals
}

// begin adds a delivery, to be ended; cut makes its read end soon.
func (as *arrivals) begin(cut func()) *arrival {
	as.mu.Lock()
	defer as.mu.Unlock()
	if len(as.all) >= as.most {
		as.all[0].crowds = true
		as.all[0].cut() // before it can have ended: what comes after that is not its to cut
		as.all = as.all[1:]
	}
	a := &arrival{cut: cut}
	as.all = append(as.all, a)
	return a
}

// end removes a delivery, and reports whether it was cut off.
func (as *arrivals) end(a *arrival) (crowds bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.all = slices.DeleteFunc(as.all, func(b *arrival) bool { return a == b })
	return a.crowds
}

// body reads the delivery whole, or not at all.
func (d *delivery) body() ([]byte, *refusal) {
	large := &refusal{http.StatusRequestEntityTooLarge, resultTooLarge, fmt.Sprintf("a webhook has at most %d bytes", maxBody)}
	if d.r.ContentLength > maxBody {
		return nil, large
	}
	// Where the server cannot do that, its own timeout bounds the read.
	read := http.NewResponseController(d.w)
	_ = read.SetReadDeadline(time.Now().Add(readTimeout))
	arrival := d.h.arriving.begin(func() { _ = read.SetReadDeadline(time.Now()) })
	body, err := io.ReadAll(http.MaxBytesReader(d.w, d.r.Body, maxBody))
	crowds := d.h.arriving.end(arrival)
	if err == nil {
		return body, nil
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, large
	}
	if crowds { // it may only have come at a bad time
		return nil, &refusal{http.StatusServiceUnavailable, resultUnavailable, "too many webhooks at once"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &refusal{http.StatusRequestTimeout, resultSlow, "its body took too long"}
	}
	return nil, &refusal{http.StatusBadRequest, resultMalformed, "its body did not arrive whole"}
}
