package server

// headroom is how much garbage, beyond as much as is live, may pile up before it is
// collected. Records are kept in the ledger, so with etcd elsewhere a few MiB are
// live, while every call leaves tens of KiB: without headroom the collector ran many
// times a second and took a tenth of the processor. An embedded etcd keeps an index
// that is live, which is headroom by itself: beside it less is added.
const headroom, headroomBesideEtcd = 64 << 20, 16 << 20

// newHeadroom returns what must be kept alive for the headroom to stand. It is
// counted as live, so that the collector's own rule, to run when the heap has doubled,
// leaves that much more room; it is never touched, so that it occupies no memory.
func newHeadroom(embedded bool) []byte {
	if embedded {
		return make([]byte, headroomBesideEtcd)
	}
	return make([]byte, headroom)
}
