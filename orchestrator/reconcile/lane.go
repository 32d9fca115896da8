package reconcile

import (
	"context"
	"sync"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// laneDepth bounds what waits in a lane for every visit that may be under way: so
// much that reading the index again is rare, so little that what waits is not
// outdated when its turn comes.
const laneDepth = 64

// lanes are the visits under way and waiting, one lane an account.
type lanes struct {
	width int
	visit func(context.Context, payment.AccountName, payment.OperationKey)
	room  chan struct{} // a lane that was full has room again

	mu     sync.Mutex
	lanes  map[payment.AccountName]*lane
	held   map[payment.OperationKey]bool
	closed bool
	all    sync.WaitGroup
}

type lane struct {
	waiting []payment.OperationKey
	running int
	full    bool // somebody was sent away
}

func newLanes(width int, visit func(context.Context, payment.AccountName, payment.OperationKey)) *lanes {
	return &lanes{
		width: width, visit: visit, room: make(chan struct{}, 1),
		lanes: make(map[payment.AccountName]*lane), held: make(map[payment.OperationKey]bool),
	}
}

// has reports whether a visit of the operation is under way or waiting.
func (l *lanes) has(key payment.OperationKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[key]
}

// full reports whether a lane has no room; room then tells when it has.
func (l *lanes) full(account payment.AccountName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lanes[account]
	if n == nil || len(n.waiting) < l.width*laneDepth {
		return false
	}
	n.full = true
	return true
}

// add puts a visit into the account's lane. It reports false if the lane is full;
// room then tells when it is not any more.
func (l *lanes) add(ctx context.Context, account payment.AccountName, key payment.OperationKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lanes[account]
	if n == nil {
		n = &lane{}
		l.lanes[account] = n
	}
	switch {
	case l.closed || l.held[key]:
		return true
	case len(n.waiting) >= l.width*laneDepth:
		n.full = true
		return false
	}
	n.waiting = append(n.waiting, key)
	l.held[key] = true
	if n.running < l.width {
		n.running++
		detached := context.WithoutCancel(ctx)
		l.all.Go(func() { l.work(detached, account, n) })
	}
	return true
}

// work makes the visits of a lane, one after the other, until none waits.
func (l *lanes) work(ctx context.Context, account payment.AccountName, n *lane) {
	for {
		key, ok := l.next(n)
		if !ok {
			return
		}
		l.visit(ctx, account, key)
		l.mu.Lock()
		delete(l.held, key)
		l.mu.Unlock()
	}
}

func (l *lanes) next(n *lane) (payment.OperationKey, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.full && len(n.waiting) <= l.width*laneDepth/2 {
		n.full = false
		select {
		case l.room <- struct{}{}:
		default:
		}
	}
	if len(n.waiting) == 0 {
		n.running--
		return payment.OperationKey{}, false
	}
	key := n.waiting[0]
	n.waiting = n.waiting[1:]
	return key, true
}

// wait returns when no visit is under way or waiting.
func (l *lanes) wait() { l.all.Wait() }

// close drops what waits, which stays due, and returns when no visit is under way.
func (l *lanes) close() {
	l.mu.Lock()
	l.closed = true
	for _, n := range l.lanes {
		n.waiting = nil
	}
	l.mu.Unlock()
	l.all.Wait()
}
