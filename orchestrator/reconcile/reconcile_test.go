package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// index is the part of a ledger that a sweep reads, made of plain values.
type index struct {
	mu     sync.Mutex
	living []payment.BootID
	ops    map[payment.OperationKey]ledger.Snapshot
	broken map[payment.OperationKey]error
	away   bool
	reads  int
	passes int
	slow   time.Duration // that a read takes
}

func (x *index) Boot() payment.BootID { return "me" }

func (x *index) Living(context.Context) ([]payment.BootID, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.passes++
	if x.away {
		return nil, ledger.ErrUnavailable
	}
	return slices.Clone(x.living), nil
}

// passed is how often the index was begun to be read.
func (x *index) passed() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.passes
}

func (x *index) Due(_ context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var due []ledger.Open
	for k, s := range x.ops {
		if ledger.Shard(k) == shard && !s.Operation.NextCheck.After(now) && !s.Operation.State.Final() {
			due = append(due, ledger.Open{Key: k, Due: s.Operation.NextCheck})
		}
	}
	slices.SortFunc(due, func(a, b ledger.Open) int { return a.Due.Compare(b.Due) })
	return due[:min(limit, len(due))], nil
}

func (x *index) Read(_ context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
	time.Sleep(x.slow)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reads++
	return x.ops[k], x.broken[k]
}

// put adds an operation of an account, due in a while.
func (x *index) put(n int, account payment.AccountName, due time.Duration, owner payment.BootID, marker bool) payment.OperationKey {
	x.mu.Lock()
	defer x.mu.Unlock()
	call := payment.Call{Tenant: "t", Method: payment.MethodCapture, Key: payment.IdempotencyKey(fmt.Sprint(account, n))}
	k := call.OperationKey()
	x.ops[k] = ledger.Snapshot{
		Operation: payment.Operation{
			Key: k, State: payment.StateUnknown, NextCheck: time.Now().Add(due), Owner: owner,
			Attempts: []payment.Attempt{{Account: account}},
		},
		Marker: ledger.Marker{Present: marker, Boot: owner},
	}
	return k
}

// end makes an operation final, as a visit does.
func (x *index) end(k payment.OperationKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.ops[k]
	s.Operation.State = payment.StateSucceeded
	x.ops[k] = s
}

// visitor takes a while for each visit, and remembers how many were under way.
type visitor struct {
	*index
	takes time.Duration
	fails map[payment.OperationKey]int // so often

	mu      sync.Mutex
	visited []payment.OperationKey
	running map[payment.AccountName]int
	most    map[payment.AccountName]int
}

func (v *visitor) Visit(ctx context.Context, k payment.OperationKey) error {
	s, _ := v.Read(ctx, k)
	account := s.Operation.Current().Account
	v.mu.Lock()
	v.visited = append(v.visited, k)
	v.running[account]++
	v.most[account] = max(v.most[account], v.running[account])
	v.fails[k]--
	failing := v.fails[k] >= 0
	v.mu.Unlock()
	time.Sleep(v.takes)
	v.mu.Lock()
	v.running[account]--
	v.mu.Unlock()
	if failing {
		return errors.New("not now")
	}
	v.end(k)
	return nil
}

func (v *visitor) count(k payment.OperationKey) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, x := range v.visited {
		if x == k {
			n++
		}
	}
	return n
}

// inSweep runs a test in a bubble with a sweep that is not running yet.
func inSweep(t *testing.T, width int, body func(*index, *visitor, *reconcile.Sweep)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &index{living: []payment.BootID{"me"}, ops: map[payment.OperationKey]ledger.Snapshot{}, broken: map[payment.OperationKey]error{}}
		v := &visitor{
			index: x, takes: time.Second, fails: map[payment.OperationKey]int{},
			running: map[payment.AccountName]int{}, most: map[payment.AccountName]int{},
		}
		s, err := reconcile.New(reconcile.Config{Ledger: x, Visitor: v, Logger: slog.New(slog.DiscardHandler), PerAccount: width})
		if err != nil {
			t.Fatal(err)
		}
		body(x, v, s)
	})
}

// running starts the sweep and returns what ends it and waits for that.
func running(s *reconcile.Sweep) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	return func() { cancel(); <-ended }
}

// Goal: what is due is visited once, what is not due is not, and later it is.
func TestVisitsWhatIsDue(t *testing.T) {
	inSweep(t, 2, func(x *index, v *visitor, s *reconcile.Sweep) {
		now, later := x.put(1, "a", 0, "", false), x.put(2, "a", time.Minute, "", false)
		worked := x.put(3, "a", time.Minute, "other", true)
		stop := running(s)
		time.Sleep(50 * time.Second)
		if v.count(now) != 1 || v.count(later) != 0 || v.count(worked) != 0 {
			t.Errorf("visits: due %d, not due %d, of a living owner %d", v.count(now), v.count(later), v.count(worked))
		}
		time.Sleep(time.Minute)
		if v.count(later) != 1 || v.count(worked) != 1 {
			t.Errorf("visits later: %d, overdue owner's %d", v.count(later), v.count(worked))
		}
		stop()
	})
}

// Goal: what has become due is visited within a second or so when somebody says so,
// however often, and the index is not read more often for that. Method: a sweep that is
// hurried a hundred times a second, and one that nobody hurries.
func TestHurries(t *testing.T) {
	for _, hurried := range []bool{true, false} {
		inSweep(t, 2, func(x *index, v *visitor, s *reconcile.Sweep) {
			stop := running(s)
			time.Sleep(2100 * time.Millisecond)
			late := x.put(1, "a", 0, "", false)
			begun := x.passed()
			for range 200 {
				if hurried {
					s.Hurry()
				}
				time.Sleep(10 * time.Millisecond)
			}
			if got := v.count(late) == 1; got != hurried {
				t.Errorf("hurried %t, visited %t", hurried, got)
			}
			if n := x.passed() - begun; n > 3 {
				t.Errorf("the index was read %d times in two seconds", n)
			}
			stop()
		})
	}
}

// Goal: what a lost process was working on is looked at as soon as it is known to
// be lost, long before it is due; also by a process that has just started.
func TestLooksAfterTheLost(t *testing.T) {
	inSweep(t, 2, func(x *index, v *visitor, s *reconcile.Sweep) {
		before := x.put(1, "a", time.Hour, "lost long ago", false)
		x.living = []payment.BootID{"me", "other"}
		owned := x.put(2, "a", time.Hour, "other", true)
		stop := running(s)
		defer stop()
		time.Sleep(20 * time.Second)
		mine := slices.Contains(reconcile.Shares(x.living, "me"), ledger.Shard(before))
		if (v.count(before) == 1) != mine || v.count(owned) != 0 {
			t.Errorf("visits %d and %d", v.count(before), v.count(owned))
		}
		x.mu.Lock()
		x.living = []payment.BootID{"me"}
		snap := x.ops[owned]
		snap.Marker = ledger.Marker{}
		x.ops[owned] = snap
		x.mu.Unlock()
		time.Sleep(10 * time.Second)
		if v.count(before) != 1 || v.count(owned) != 1 {
			t.Errorf("after the loss: visits %d and %d, want one each", v.count(before), v.count(owned))
		}
	})
}

// Goal: an account's provider is met by no more visits at once than configured,
// none is forgotten, and a slow account holds up no other. Method: hundreds of a
// slow account before a few of another.
func TestBoundedPerAccount(t *testing.T) {
	const width, many = 2, 600
	inSweep(t, width, func(x *index, v *visitor, s *reconcile.Sweep) {
		var all []payment.OperationKey
		for n := range many {
			all = append(all, x.put(n, "slow", -time.Hour, "", false))
		}
		other := x.put(0, "quick", 0, "", false)
		stop := running(s)
		defer stop()
		time.Sleep(30 * time.Second)
		if v.count(other) != 1 {
			t.Error("a slow account holds up another")
		}
		time.Sleep(many / width * time.Second)
		for _, k := range all {
			if v.count(k) != 1 {
				t.Fatalf("%d visits, want 1", v.count(k))
			}
		}
		if v.most["slow"] != width {
			t.Errorf("%d visits at once, want %d", v.most["slow"], width)
		}
		if x.reads > 4*many {
			t.Errorf("%d reads for %d operations", x.reads, many)
		}
	})
}

// Goal: what bounds recovery is how many visits may be under way, not how far away
// the ledger is. Method: reads that take as long as visits, and the time until many
// operations have been visited.
func TestReadsDoNotHoldUpVisits(t *testing.T) {
	const width, many = 16, 1000
	inSweep(t, width, func(x *index, v *visitor, s *reconcile.Sweep) {
		x.slow, v.takes = 50*time.Millisecond, 100*time.Millisecond
		for n := range many {
			x.put(n, "a", -time.Hour, "", false)
		}
		stop := running(s)
		defer stop()
		time.Sleep(12 * time.Second) // a visit reads too: 150 ms each are 9.4 s for all of them
		v.mu.Lock()
		defer v.mu.Unlock()
		if n := len(v.visited); n != many {
			t.Errorf("%d of %d were visited", n, many)
		}
	})
}

// Goal: neither a ledger that is away, nor a record that cannot be read, nor a
// visit that fails keeps the others from being visited, now or later.
func TestGoesOnAfterTrouble(t *testing.T) {
	inSweep(t, 2, func(x *index, v *visitor, s *reconcile.Sweep) {
		bad, failing, good := x.put(1, "a", -3*time.Hour, "", false), x.put(2, "a", -2*time.Hour, "", false), x.put(3, "a", 0, "", false)
		x.broken[bad], v.fails[failing], x.away = ledger.ErrRecord, 2, true
		stop := running(s)
		time.Sleep(time.Minute)
		if len(v.visited) != 0 {
			t.Error("visited without an index")
		}
		x.mu.Lock()
		x.away = false
		x.mu.Unlock()
		time.Sleep(time.Minute)
		if v.count(bad) != 0 || v.count(failing) != 3 || v.count(good) != 1 {
			t.Errorf("visits: unreadable %d, failing %d, good %d", v.count(bad), v.count(failing), v.count(good))
		}
		stop()
	})
}

// Goal: a stop waits for visits under way and begins no other.
func TestStops(t *testing.T) {
	inSweep(t, 1, func(x *index, v *visitor, s *reconcile.Sweep) {
		v.takes = time.Minute
		for n := range 3 {
			x.put(n, "a", 0, "", false)
		}
		stop := running(s)
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != 59*time.Second || len(v.visited) != 1 {
			t.Errorf("stopped after %s and %d visits", took, len(v.visited))
		}
	})
}

// Goal: one pass can be asked for, and ends when its visits have.
func TestOnce(t *testing.T) {
	inSweep(t, 2, func(x *index, v *visitor, s *reconcile.Sweep) {
		for n := range 5 {
			x.put(n, "a", 0, "", false)
		}
		if more, err := s.Once(t.Context()); err != nil || more || len(v.visited) != 5 {
			t.Errorf("more %t, %v, %d visits", more, err, len(v.visited))
		}
		x.away = true
		if _, err := s.Once(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// Goal: a sweep that could not work is not made.
func TestNewRefuses(t *testing.T) {
	x, log := &index{}, slog.New(slog.DiscardHandler)
	for name, c := range map[string]reconcile.Config{
		"no ledger":     {Visitor: &visitor{}, Logger: log},
		"no visitor":    {Ledger: x, Logger: log},
		"no logger":     {Ledger: x, Visitor: &visitor{}},
		"backward time": {Ledger: x, Visitor: &visitor{}, Logger: log, Every: -1},
		"no visits":     {Ledger: x, Visitor: &visitor{}, Logger: log, PerAccount: -1},
	} {
		if _, err := reconcile.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
