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

// span is a page that a finder was asked for.
type span struct {
	tenant      payment.TenantID
	from, until time.Time
	page        string
}

// finder has two pages for each span and tenant.
type finder struct {
	asked []span
	err   error
}

func (f *finder) FindAwaited(_ context.Context, tenant payment.TenantID, from, until time.Time, page string) (string, error) {
	f.asked = append(f.asked, span{tenant, from, until, page})
	if f.err != nil {
		return page, f.err
	}
	return map[string]string{"": "2"}[page], nil
}

// Goal: every payment of every tenant is looked at once when it is due, whatever fails in
// between, and so is what became due a day before anybody looked. Method: ten minutes of
// the real loop with two tenants and a ledger that is away in the fourth of them; then
// the spans that were looked at through.
func TestCapturesAreLookedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, f := time.Now(), &finder{}
		c, err := reconcile.NewCaptures(reconcile.CapturesConfig{
			Ledger: &index{living: []payment.BootID{"me"}}, Finder: f, Tenants: []payment.TenantID{"a", "b"}, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		for minute := range 10 {
			if f.err = nil; minute == 3 {
				f.err = errors.New("away")
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute+time.Second)
			c.Run(ctx)
			stop()
		}
		f.err = nil
		if err := c.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		next := map[payment.TenantID]time.Time{"a": began.Add(30*time.Second - 48*time.Hour), "b": began.Add(30*time.Second - 48*time.Hour)}
		for _, s := range f.asked {
			if !s.from.Equal(next[s.tenant]) {
				t.Errorf("of %s is looked at what was made from %s, want %s", s.tenant, s.from, next[s.tenant])
			}
			if s.page == "2" {
				next[s.tenant] = s.until
			}
		}
		for tenant, until := range next {
			if due := time.Now().Add(-24 * time.Hour); due.Sub(until) > 30*time.Second {
				t.Errorf("of %s is looked at up to %s, and due is %s", tenant, until, due)
			}
		}
	})
}

// Goal: one living process looks, and a configuration that lacks something is refused.
// Method: this process beside many others, one at a time, some of whom the shard of the
// captures belongs to.
func TestCapturesBelongToOneProcess(t *testing.T) {
	const shard = 1
	mine := map[bool]int{}
	for _, other := range []payment.BootID{"a", "b", "c", "d", "e", "f", "g", "h"} {
		f, living := &finder{}, []payment.BootID{"me", other}
		c, err := reconcile.NewCaptures(reconcile.CapturesConfig{
			Ledger: &index{living: living}, Finder: f, Tenants: []payment.TenantID{"a"}, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := slices.Contains(reconcile.Shares(living, "me"), shard)
		mine[want]++
		if looked := len(f.asked) > 0; looked != want {
			t.Errorf("beside %s it looked: %t", other, looked)
		}
	}
	if mine[true] == 0 || mine[false] == 0 {
		t.Fatalf("the processes do not differ: %v", mine)
	}
	if _, err := reconcile.NewCaptures(reconcile.CapturesConfig{}); err == nil {
		t.Error("nothing is enough")
	}
}
