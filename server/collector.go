package server

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Headroom is how much garbage may pile up before it is collected, while less than
// that is live. Records are kept in the ledger, so with etcd elsewhere a few MiB are
// live, while every call leaves tens of KiB: by the collector's own rule, to run when
// the heap has doubled, it ran many times a second and took a tenth of the processor.
// An embedded etcd makes several times as much garbage, and what is live grows with
// its index until that rule leaves room enough.
const (
	headroomAlone = 72 << 20
	headroomEtcd  = 240 << 20
)

func (c Config) headroom() uint64 {
	if len(c.Ledger.Etcd.Endpoints) == 0 {
		return headroomEtcd
	}
	return headroomAlone
}

// leastLive keeps the pace finite where hardly anything is live yet.
const leastLive = 4 << 20

// pacer gives the collector that headroom. After every collection it sets GOGC for
// the next: as many percent of what is live as make the headroom, and never less than
// Go's own. Where somebody has set GOGC, theirs holds; GOMEMLIMIT holds in any case.
type pacer struct {
	headroom uint64

	mu      sync.Mutex
	stopped bool
}

// paceCollector starts to pace; what it returns ends it.
func paceCollector(headroom uint64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	p := &pacer{headroom: headroom}
	p.pace()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stopped = true
		debug.SetGCPercent(standardGOGC)
	}
}

// pace sets GOGC, and leaves behind a piece of garbage that sets it again once the
// next collection has found it.
func (p *pacer) pace() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	debug.SetGCPercent(p.percent())
	runtime.AddCleanup(&struct{ *pacer }{p}, (*pacer).pace, p)
}

// percent is the GOGC that makes the headroom of what the last collection has left,
// and of the stacks and globals, which count too.
func (p *pacer) percent() int {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	var live uint64
	for _, s := range samples {
		live += s.Value.Uint64()
	}
	return max(standardGOGC, int(100*p.headroom/max(live, leastLive)))
}

const standardGOGC = 100
