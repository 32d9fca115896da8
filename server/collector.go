package server

import "runtime/debug"

// heapGrowth is how far the heap may grow, in percent of what is live, before it is
// collected. What is live is small, since records are kept in the ledger, while
// every call makes a lot that dies with it: with the runtime's own 100 the
// collector takes a tenth of the processor.
const heapGrowth = 400

// collectRarely sets the collector of this process, unless its environment does.
func collectRarely(environ Environ) {
	if environ.Get("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}
