package server

import "golang.org/x/sys/unix"

// headroom is how much garbage, beyond as much as is live, may pile up before it is
// collected. Records are kept in the ledger, so with etcd elsewhere a few MiB are
// live, while every call leaves tens of KiB: without headroom the collector ran many
// times a second and took a tenth of the processor. An embedded etcd's index is live
// too and is scanned at every run, which makes fewer runs worth as much there; beside it
// 96 MiB took 167 MiB more than the same etcd alone.
const headroom = 64 << 20

// newHeadroom returns what must be kept alive for the headroom to stand. It is
// counted as live, so that the collector's own rule, to run when the heap has doubled,
// leaves that much more room. It is never touched, and what the runtime touched to
// clear it is given back to the system, so that it occupies no memory.
func newHeadroom() []byte {
	room := make([]byte, headroom)
	// It reads as zero whether or not this succeeds: at worst it stays resident.
	_ = unix.Madvise(room, unix.MADV_DONTNEED)
	return room
}
