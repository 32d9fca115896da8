package server

import (
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func gogc() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// While little is live the collector waits for the headroom; as more becomes live it
// comes back to Go's own rule, and at the end it is left as it was.
//
// 256 MiB more than the headroom are made live in between, and collections are forced
// until the pace has followed.
func TestCollectorPace(t *testing.T) {
	unset(t, "GOGC")
	const headroom = 1 << 30 // more than all that else is live in this process
	stop := paceCollector(headroom)
	if got := gogc(); got <= standardGOGC {
		t.Errorf("GOGC is %d with hardly anything live", got)
	}
	before := gogc()
	live := make([]byte, 256<<20)
	followed := func() bool { runtime.GC(); return gogc() < before && gogc() <= 100*headroom/uint64(len(live)) }
	for deadline := time.Now().Add(time.Minute); !followed(); {
		if time.Now().After(deadline) {
			t.Fatalf("GOGC is still %d with %d MiB live", gogc(), len(live)>>20)
		}
	}
	runtime.KeepAlive(live)
	stop()
	runtime.GC()
	if got := gogc(); got != standardGOGC {
		t.Errorf("GOGC is left at %d", got)
	}
}

// A GOGC that somebody has set is theirs.
func TestCollectorPaceIsNotForced(t *testing.T) {
	t.Setenv("GOGC", "100")
	before := gogc()
	defer paceCollector(1 << 40)()
	if got := gogc(); got != before {
		t.Errorf("GOGC went from %d to %d", before, got)
	}
}

// unset removes a variable for the time of a test.
func unset(t *testing.T, name string) {
	t.Helper()
	t.Setenv(name, "") // to be put back at the end
	if err := os.Unsetenv(name); err != nil {
		t.Fatal(err)
	}
}
