package server

import (
	"context"
	"log/slog"
	"slices"
)

// lifecycle remembers how to take down what was built, and does it in reverse:
// nothing goes before what uses it.
type lifecycle struct {
	logger *slog.Logger
	parts  []part
	failed chan error // what makes the running server unable to go on
	busy   bool       // operations were still in flight when the drain gave up
}

type part struct {
	name string
	stop func(context.Context) error
}

func newLifecycle(logger *slog.Logger) *lifecycle {
	return &lifecycle{logger: logger, failed: make(chan error, 1)}
}

// add says how to stop a part that has just been built.
func (l *lifecycle) add(name string, stop func(context.Context) error) {
	l.parts = append(l.parts, part{name, stop})
}

// fail ends the running server; the first reason counts.
func (l *lifecycle) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// stop takes everything down. An error of one part is logged and does not keep
// the others.
func (l *lifecycle) stop(ctx context.Context) {
	for _, p := range slices.Backward(l.parts) {
		if err := p.stop(ctx); err != nil {
			l.logger.WarnContext(ctx, "part did not stop cleanly", "part", p.name, "error", err)
		}
	}
	l.parts = nil
}
