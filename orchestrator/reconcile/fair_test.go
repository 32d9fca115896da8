package reconcile_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// Goal: what stays due, however often it is visited, does not keep what lies in later
// shards from being visited: a provider that is away leaves many of those. Method: more
// than a lane holds of operations whose visits fail for ever, and one in the last shard.
func TestVisitsEveryShardInTurn(t *testing.T) {
	inSweep(t, 1, func(x *index, v *visitor, s *reconcile.Sweep) {
		const many = 300
		last := x.put(0, "a", -time.Minute, "", false)
		for n := 1; ledger.Shard(last) != ledger.Shards-1; n++ {
			x.end(last)
			last = x.put(n, "a", -time.Minute, "", false)
		}
		for n, put := 1000, 0; put < many; n++ {
			k := x.put(n, "a", 0, "", false)
			if ledger.Shard(k) == ledger.Shards-1 {
				x.end(k)
				continue
			}
			v.fails[k] = 1 << 20
			put++
		}
		stop := running(s)
		defer stop()
		time.Sleep(2 * many * time.Second)
		if v.count(last) != 1 {
			t.Errorf("an operation of the last shard was visited %d times while %d visits of others failed", v.count(last), len(v.visited))
		}
	})
}
