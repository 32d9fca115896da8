//go:build faults && linux

package server

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// faultVariable names the environment variable that arms a fault:
// "point:kill" or "point:stop", with ":n" for the n-th visit of the point in
// this process instead of the first.
const faultVariable = "ACQUIT_FAULT"

// fault is what happens to this process at a point.
type fault struct {
	point  payment.Point
	signal syscall.Signal
	visit  int64
}

// parseFault reads the variable.
func parseFault(text string) (fault, bool) {
	parts := strings.Split(text, ":")
	if len(parts) == 2 {
		parts = append(parts, "1")
	}
	if len(parts) != 3 || !slices.Contains(payment.Points(), payment.Point(parts[0])) {
		return fault{}, false
	}
	signal, ok := map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP}[parts[1]]
	visit, err := strconv.ParseInt(parts[2], 10, 64)
	return fault{payment.Point(parts[0]), signal, visit}, ok && err == nil && visit > 0
}

func checkFaultVariable(text string) *Problem {
	if _, ok := parseFault(text); !ok {
		return &Problem{Key: faultVariable, Message: "must be point:kill or point:stop, with :n for the n-th visit; points are those of payment.Points"}
	}
	return nil
}

// newProbe returns what strikes at the point, once. The signal goes to the whole
// process, so nothing that runs beside the point goes on either.
func newProbe(environ Environ) probe {
	armed, ok := parseFault(environ.Get(faultVariable))
	if !ok {
		return nil
	}
	var visits atomic.Int64
	return func(_ context.Context, p payment.Point) {
		if p == armed.point && visits.Add(1) == armed.visit {
			strike(armed.signal)
		}
	}
}

// strike signals the process by way of this very thread, so that the signal is
// taken before the thread runs another instruction of ours: a signal to the
// process alone may reach another thread, and this one would walk on.
func strike(signal syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), signal) // cannot fail for one's own thread
}
