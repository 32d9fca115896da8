package etcdledger

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
)

// room remembers how full etcd was when it was last asked, so that a claim
// never waits for the answer.
type room struct {
	full atomic.Bool
}

// watchRoom asks etcd how full it is, and how far it has come, until ctx ends.
func (l *Ledger) watchRoom(ctx context.Context) {
	tick := time.NewTicker(l.cfg.StatusEvery)
	defer tick.Stop()
	for {
		if err := l.measureRoom(ctx); err != nil && ctx.Err() == nil {
			l.cfg.Logger.WarnContext(ctx, "ledger status unknown", "error", err)
		}
		l.mark(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// measureRoom asks every member: the fullest stops writes for all.
func (l *Ledger) measureRoom(ctx context.Context) error {
	endpoints := l.client.Endpoints()
	if len(endpoints) == 0 {
		endpoints = []string{""} // a client inside etcd's process has no address for it
	}
	var used float64
	var answered bool
	var failed error
	for _, e := range endpoints {
		share, err := l.shareUsed(ctx, e)
		if err != nil {
			failed = err
			continue
		}
		used, answered = max(used, share), true
	}
	if !answered {
		return failed // what was known stays: an outage refuses claims by itself
	}
	l.timing.quota.Record(ctx, used)
	full := used >= l.cfg.FullAt
	if l.room.full.Swap(full) != full {
		l.cfg.Logger.WarnContext(ctx, "ledger room changed", "full", full, "share_used", used)
	}
	return nil
}

// shareUsed is the part of a member's quota that is in use. Space that a
// defragmentation would give back does not count.
func (l *Ledger) shareUsed(ctx context.Context, endpoint string) (float64, error) {
	ctx, cancel := l.request(ctx)
	defer cancel()
	s, err := l.client.Status(ctx, endpoint)
	if err != nil {
		return 0, err
	}
	l.saw(s.Header.GetRevision()) // applied, so it is agreed upon and durable
	if s.DbSizeQuota <= 0 {
		return 0, nil // no quota, or a member too old to tell
	}
	return float64(s.DbSizeInUse) / float64(s.DbSizeQuota), nil
}

// admitsClaims refuses claims while etcd is near its quota.
func (l *Ledger) admitsClaims() error {
	if l.room.full.Load() {
		return fmt.Errorf("%w: more than %.0f %% of etcd's quota is in use", ledger.ErrFull, l.cfg.FullAt*100)
	}
	return nil
}
