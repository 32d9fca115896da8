package providers_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/acquitpay/acquit/providers"
)

// Goal: that a driver cannot sign is told from everything else that is not sent: only
// there the same request may be sent later. Method: a driver that says why, beside ones
// that break.
func TestUnsignedIsToldApart(t *testing.T) {
	cause := errors.New("no token")
	for name, c := range map[string]struct {
		driver   scripted
		unsigned bool
	}{
		"the driver cannot sign": {scripted{unsigned: cause}, true},
		"signing panics":         {scripted{sign: func(*http.Request) { panic("x") }}, false},
		"signing changes a path": {scripted{sign: func(r *http.Request) { r.URL.Path = "/v1/other" }}, false},
		"build fails":            {scripted{err: cause}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.driver, nil)
			_, err := b.send(t, someSend())
			if err == nil || errors.Is(err, providers.ErrUnsigned) != c.unsigned || b.received.Load() != 0 {
				t.Errorf("error %v after %d requests", err, b.received.Load())
			}
			if c.unsigned && !errors.Is(err, cause) {
				t.Errorf("error %v hides its cause", err)
			}
		})
	}
}
