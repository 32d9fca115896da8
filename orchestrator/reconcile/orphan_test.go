package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// matcher remembers from where it was asked to go on.
type matcher struct {
	asked []string
	next  []string
	err   error
}

func (m *matcher) MatchOrphans(_ context.Context, after string) (string, error) {
	m.asked = append(m.asked, after)
	if m.err != nil {
		return "", m.err
	}
	next := m.next[0]
	m.next = append(m.next[1:], next)
	return next, nil
}

func orphans(t *testing.T, x *index, m *matcher) *reconcile.Orphans {
	t.Helper()
	o, err := reconcile.NewOrphans(reconcile.OrphansConfig{Ledger: x, Matcher: m, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Goal: all orphans are gone through, and then again from the first one. Method: a
// matcher with three pages, half an hour of the real loop, and a ledger that is away
// in between.
func TestOrphansAreGoneThroughOverAndOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &index{living: []payment.BootID{"me"}}, &matcher{next: []string{"b", "c", ""}}
		o := orphans(t, x, m)
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute+time.Second)
		defer stop()
		o.Run(ctx)
		if want := []string{"", "b", "c", "", "b", "c"}; !slices.Equal(m.asked, want) {
			t.Errorf("asked after %q, want %q", m.asked, want)
		}
		m.asked, m.err = nil, errors.New("away")
		for range 2 {
			if o.Once(t.Context()) == nil {
				t.Error("an error of the ledger is lost")
			}
		}
		m.err = nil
		for range 2 {
			if err := o.Once(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(m.asked, []string{"", "", "", "b"}) {
			t.Errorf("while the ledger is away twice, and then, it is asked after %q", m.asked)
		}
	})
}

// Goal: exactly one of the living goes through the orphans. Method: of every set of
// names the one that is asked; a process that lost its session is none.
func TestOrphansAreOneProcesss(t *testing.T) {
	names := []payment.BootID{"me", "you", "they", "one", "two"}
	with, without := 0, 0
	for n := 1; n <= len(names); n++ {
		x, m := &index{living: names[:n]}, &matcher{next: []string{""}}
		if err := orphans(t, x, m).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		mine := slices.Contains(reconcile.Shares(names[:n], "me"), 0)
		if (len(m.asked) == 1) != mine {
			t.Errorf("among %v it went through them %d times; they are its own: %t", names[:n], len(m.asked), mine)
		}
		if mine {
			with++
		} else {
			without++
		}
	}
	x, m := &index{living: names[1:]}, &matcher{next: []string{""}}
	if err := orphans(t, x, m).Once(t.Context()); err != nil || len(m.asked) > 0 || with == 0 || without == 0 {
		t.Errorf("without a session: %v, asked %d times; its own %d times, not %d times", err, len(m.asked), with, without)
	}
	x.away = true
	if orphans(t, x, m).Once(t.Context()) == nil {
		t.Error("nobody knows who lives, and that is no error")
	}
}

// Goal: what is missing is told at the start.
func TestOrphansRefuseWhatIsMissing(t *testing.T) {
	x, m, l := &index{}, &matcher{}, slog.New(slog.DiscardHandler)
	for _, c := range []reconcile.OrphansConfig{
		{Matcher: m, Logger: l}, {Ledger: x, Logger: l}, {Ledger: x, Matcher: m}, {Ledger: x, Matcher: m, Logger: l, Every: -1},
	} {
		if _, err := reconcile.NewOrphans(c); err == nil {
			t.Errorf("took %+v", c)
		}
	}
}
