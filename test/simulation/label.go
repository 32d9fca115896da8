package simulation

import (
	"cmp"
	"context"
	"fmt"
)

// label names the work that one call of the orchestrator does, the same in every
// run of a seed. At most one goroutine at a time waits at a gate under it.
type label struct {
	intent string // of the caller
	call   int    // of the intent, from 1
	part   int    // of the call: it may claim, wait and take over; from 1
}

func (l label) String() string { return fmt.Sprintf("%s#%d.%d", l.intent, l.call, l.part) }

func (l label) compare(o label) int {
	return cmp.Or(cmp.Compare(l.intent, o.intent), cmp.Compare(l.call, o.call), cmp.Compare(l.part, o.part))
}

// thread is whose work a context belongs to. A flight inherits it from the call
// that began it, also when the caller has long gone.
type thread struct {
	label label
	boot  *boot
	parts *int // of the call so far; its own goroutine counts
}

type threadKey struct{}

func (t thread) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, threadKey{}, t)
}

func threadOf(ctx context.Context) thread {
	t, _ := ctx.Value(threadKey{}).(thread)
	return t
}

// nextPart is the context of the next thing that a call does.
func nextPart(ctx context.Context) context.Context {
	t := threadOf(ctx)
	*t.parts++
	t.label.part = *t.parts
	return t.in(ctx)
}
