package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// What is in no shard is looked after by the process that one shard is with.
const (
	orphansShard  = 0
	capturesShard = 1
)

// Lives tells who lives.
type Lives interface {
	Boot() payment.BootID
	Living(ctx context.Context) ([]payment.BootID, error)
}

// holds reports whether a shard is this process's. Errors: of the ledger; then nobody
// knows.
func holds(ctx context.Context, l Lives, shard int) (bool, error) {
	living, err := l.Living(ctx)
	if err != nil {
		return false, err
	}
	return slices.Contains(Shares(living, l.Boot()), shard), nil
}

// Shares lists the shards that are a process's, in order: of each shard the living
// process whose name and the shard's number hash highest (rendezvous hashing), so
// that a process that comes or goes moves no shard between two others. Every shard
// is exactly one living process's; one that does not live has none.
func Shares(living []payment.BootID, me payment.BootID) []int {
	if !slices.Contains(living, me) {
		return nil
	}
	var mine []int
	for shard := range ledger.Shards {
		best := slices.MaxFunc(living, func(a, b payment.BootID) int {
			return cmp.Or(cmp.Compare(weight(a, shard), weight(b, shard)), cmp.Compare(a, b))
		})
		if best == me {
			mine = append(mine, shard)
		}
	}
	return mine
}

func weight(b payment.BootID, shard int) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(b), uint64(shard)))
	return binary.BigEndian.Uint64(sum[:8])
}
