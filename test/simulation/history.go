package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// History is what happened under one seed, and what was wrong with it.
type History struct {
	Seed       uint64
	Lines      []string
	Violations []string
	// Cases are the noteworthy things that happened in it.
	Cases map[string]bool

	began time.Time
}

func newHistory(seed uint64) *History { return &History{Seed: seed, Cases: map[string]bool{}} }

// begins notes what the history is drawn on.
func (h *History) begins(w *world) {
	h.began = time.Now()
	h.logf("%d processes, window %s, resolve by %s, ledger trouble %d%%", len(w.boots), w.plan.window, w.plan.resolveBy, w.plan.trouble)
	for _, b := range w.boots {
		h.logf("%s, clock %s", b.id, b.skew)
	}
	for _, p := range w.providers {
		h.logf("account %s: look-up %t, fence by %q, captures often %t, keys by %s, may repeat %t, pending comes to %s",
			p.name, p.traits.Query, p.traits.Fence, p.traits.MultipleCaptures, p.traits.KeyScope, p.mayRepeat, p.temper.settles)
	}
	for _, i := range w.intents {
		h.logf("%s wants %s of %d under %s", i.tenant, i.name, i.amount, i.key)
	}
}

func (h *History) logf(format string, args ...any) {
	h.Lines = append(h.Lines, fmt.Sprintf("%14s  ", time.Since(h.began).Round(time.Microsecond))+fmt.Sprintf(format, args...))
}

// violate notes that an invariant does not hold.
func (h *History) violate(invariant, format string, args ...any) {
	text := invariant + ": " + fmt.Sprintf(format, args...)
	h.Violations = append(h.Violations, text)
	h.logf("VIOLATION %s", text)
}

func (h *History) saw(what string) { h.Cases[what] = true }

// failed reports whether an invariant is broken: there is no point in going on. A
// ledger that is misused is wrong too, but what comes of it may be worse.
func (h *History) failed() bool {
	return slices.ContainsFunc(h.Violations, func(v string) bool { return strings.HasPrefix(v, "I") })
}

// Text is the whole history.
func (h *History) Text() string { return strings.Join(h.Lines, "\n") + "\n" }

// Tail is the end of it.
func (h *History) Tail(lines int) string {
	return strings.Join(h.Lines[max(0, len(h.Lines)-lines):], "\n") + "\n"
}
