package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// Goal: every shard is exactly one living process's, about evenly, and the death
// of one moves only its own. Method: all sizes of deployments up to nine.
func TestShares(t *testing.T) {
	owners := func(living []payment.BootID) map[int]payment.BootID {
		of := make(map[int]payment.BootID)
		for _, b := range living {
			for _, shard := range reconcile.Shares(living, b) {
				if of[shard] != "" {
					t.Errorf("shard %d is of %s and of %s", shard, of[shard], b)
				}
				of[shard] = b
			}
		}
		return of
	}
	var living []payment.BootID
	for n := range 9 {
		living = append(living, payment.BootID(fmt.Sprintf("boot-%d", n)))
		of, count := owners(living), make(map[payment.BootID]int)
		if len(of) != ledger.Shards {
			t.Fatalf("%d processes share %d shards", len(living), len(of))
		}
		for _, b := range of {
			count[b]++
		}
		for _, b := range living {
			if fair := ledger.Shards / len(living); count[b] < fair/4 || count[b] > 3*fair+1 {
				t.Errorf("of %d processes %s has %d shards", len(living), b, count[b])
			}
		}
		for i, gone := range living {
			rest := append(append([]payment.BootID{}, living[:i]...), living[i+1:]...)
			for shard, b := range owners(rest) {
				if of[shard] != gone && of[shard] != b {
					t.Errorf("the death of %s moved shard %d from %s to %s", gone, shard, of[shard], b)
				}
			}
		}
	}
	if got := reconcile.Shares(living, "somebody else"); got != nil {
		t.Errorf("a process without a session has shards %v", got)
	}
	if got := reconcile.Shares(nil, "me"); got != nil {
		t.Errorf("nobody lives, and shards %v are mine", got)
	}
}
