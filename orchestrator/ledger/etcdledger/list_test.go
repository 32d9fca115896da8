package etcdledger_test

import (
	"cmp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// stored puts payments into etcd that were made at some moments, and returns
// their ids, newest first.
func stored(t *testing.T, prefix string, moments []time.Time, status func(i int) payment.Status) []payment.ID {
	t.Helper()
	ids := make([]payment.ID, len(moments))
	var puts []clientv3.Op
	for i, at := range moments {
		ids[i] = paymentIDAt(t, at)
		raw, err := ledger.EncodePayment(payment.Payment{ID: ids[i], Tenant: tenant, Status: status(i), Created: at})
		ok(t, "encode", err)
		puts = append(puts, clientv3.OpPut(prefix+"/payment/merchant/"+string(ids[i]), string(raw)))
	}
	for some := range slices.Chunk(puts, 100) {
		_, err := shared.Client().Txn(bounded(t)).Then(some...).Commit()
		ok(t, "put", err)
	}
	slices.SortFunc(ids, func(a, b payment.ID) int { return cmp.Compare(b, a) })
	return ids
}

// spread is n moments from one on, each step later.
func spread(n int, from time.Time, step time.Duration) []time.Time {
	all := make([]time.Time, n)
	for i := range all {
		all[i] = from.Add(time.Duration(i) * step)
	}
	return all
}

// Goal: a list is whole and in order however the payments lie in time, and a page
// of it takes little of etcd, which can only sort a range by reading all of it.
// Method: tenants from busy to quiet; the keys that etcd goes through for the
// first page, and its requests for any, are counted.
func TestListReadsLittle(t *testing.T) {
	t.Parallel()
	now := time.Now()
	year := 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		moments []time.Time
		first   int64 // keys for the first page of what is before now, at most; 0 if its windows must miss
	}{
		"one a second":        {spread(2000, now.Add(-2000*time.Second), time.Second), 1000},
		"a hundred a second":  {spread(6000, now.Add(-time.Minute), 10*time.Millisecond), 1000},
		"a burst long ago":    {spread(1500, now.Add(-2*year), 2*time.Microsecond), 0},
		"a burst, then a few": {append(spread(1500, now.Add(-year), time.Millisecond), spread(60, now.Add(-300*24*time.Hour), 4*24*time.Hour)...), 0},
		"a few each year":     {spread(60, now.Add(-20*year), 120*24*time.Hour), 300},
		"of a clock ahead":    {spread(300, now.Add(2*time.Minute), time.Second), 0},
		"across the present":  {spread(300, now.Add(-time.Second), 10*time.Millisecond), 0},
		"in the days of 1970": {spread(30, time.UnixMilli(0), time.Millisecond), 300},
		"in the year 9999":    {spread(30, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Second), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := newPrefix()
			p := newProcess(t, setup{prefix: prefix})
			want := stored(t, prefix, c.moments, func(int) payment.Status { return payment.StatusAuthorized })
			var requests atomic.Int64
			count := func() { requests.Add(1) }
			p.kv.onRead.Store(&count)
			before := p.kv.gone.Load()
			_, _, err := p.List(bounded(t), ledger.Filter{Tenant: tenant, Until: now}, "", 50)
			ok(t, "list", err)
			if gone := p.kv.gone.Load() - before; c.first > 0 && gone > c.first {
				t.Errorf("etcd went through %d keys for the first page, want at most %d", gone, c.first)
			}
			for _, limit := range []int{50, 500} {
				var got []payment.ID
				page := ""
				for range 500 {
					asked := requests.Load()
					some, next, err := p.List(bounded(t), ledger.Filter{Tenant: tenant}, page, limit)
					ok(t, "list", err)
					if n := requests.Load() - asked; n > 50 {
						t.Errorf("a page took %d requests", n)
					}
					for _, p := range some {
						got = append(got, p.ID)
					}
					if page = next; page == "" {
						break
					}
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
				}
			}
		})
	}
}

// Goal: a page in search of what is rare reads a bounded number of payments, and
// comes back short, or empty, with a token that leads on.
// Method: of many payments only the oldest fits.
func TestListComesBackShort(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, setup{prefix: prefix})
	want := stored(t, prefix, spread(3*ledger.PageScan, start(), time.Millisecond), func(i int) payment.Status {
		if i == 0 {
			return payment.StatusUnknown
		}
		return payment.StatusAuthorized
	})
	f := ledger.Filter{Tenant: tenant, Statuses: []payment.Status{payment.StatusUnknown}}
	var got []payment.Payment
	page, empty := "", 0
	for range 100 {
		before := p.kv.looked.Load()
		some, next, err := p.List(bounded(t), f, page, 10)
		ok(t, "list", err)
		if n := p.kv.looked.Load() - before; n > ledger.PageScan+200 {
			t.Errorf("a page read %d payments", n)
		}
		if got = append(got, some...); next == "" {
			break
		}
		if page = next; len(some) == 0 {
			empty++
		}
	}
	if empty < 2 || len(got) != 1 || got[0].ID != want[len(want)-1] {
		t.Errorf("%d empty pages, then %v; want at least 2, then %s", empty, got, want[len(want)-1])
	}
}

// Goal: a page is of one moment, however many reads it takes.
// Method: before each read, two payments that are years apart move together.
func TestListIsOfOneMoment(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, setup{prefix: prefix})
	recent, old := time.Now().Add(-10*time.Minute), time.Now().AddDate(-20, 0, 0)
	both := []payment.Payment{
		{ID: paymentIDAt(t, recent), Tenant: tenant, Status: payment.StatusAuthorized, Created: recent},
		{ID: paymentIDAt(t, old), Tenant: tenant, Status: payment.StatusAuthorized, Created: old},
	}
	move := func() {
		var puts []clientv3.Op
		for i := range both {
			both[i].Version++
			raw, err := ledger.EncodePayment(both[i])
			ok(t, "encode", err)
			puts = append(puts, clientv3.OpPut(prefix+"/payment/merchant/"+string(both[i].ID), string(raw)))
		}
		_, err := shared.Client().Txn(bounded(t)).Then(puts...).Commit()
		ok(t, "put", err)
	}
	move()
	p.kv.onRead.Store(&move)
	some, next, err := p.List(bounded(t), ledger.Filter{Tenant: tenant}, "", 10)
	ok(t, "list", err)
	if next != "" || len(some) != 2 || some[0].Version != some[1].Version || some[0].Version == both[0].Version {
		t.Errorf("listed %v and a token %q, want both payments of one moment before %d", some, next, both[0].Version)
	}
}

// Goal: an entry of the index whose payment is gone leads nowhere, and hides nothing.
// Method: a payment is deleted from under its merchant reference.
func TestListSkipsWhatIsGone(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, setup{prefix: prefix})
	var all []payment.ID
	for range 3 {
		all = append(all, p.claimed(t).Payment.ID)
	}
	slices.SortFunc(all, func(a, b payment.ID) int { return cmp.Compare(b, a) })
	_, err := shared.Client().Delete(bounded(t), prefix+"/payment/merchant/"+string(all[1]))
	ok(t, "delete", err)
	for _, f := range []ledger.Filter{{Tenant: tenant}, {Tenant: tenant, MerchantReference: "order-1"}} {
		some, next, err := p.List(bounded(t), f, "", 10)
		ok(t, "list", err)
		if next != "" || len(some) != 2 || some[0].ID != all[0] || some[1].ID != all[2] {
			t.Errorf("listed %v and a token %q, want %s and %s", some, next, all[0], all[2])
		}
	}
}

// Goal: a page token that somebody made up leads nowhere that the filter does not.
// Method: tokens of places that no list has.
func TestListMadeUpPlaces(t *testing.T) {
	t.Parallel()
	p := newProcess(t, setup{prefix: newPrefix()})
	s := p.claimed(t)
	f := ledger.Filter{Tenant: tenant, Until: start()}
	for _, place := range []string{"zzz", "~", "-", "ffffffff-ffff", "FFFFFFFF-FFFF-7", "00000000-0000", string(s.Payment.ID) + "0"} {
		for range 3 {
			some, _, err := p.List(bounded(t), f, ledger.EncodePage(f, place), 10)
			ok(t, "list", err)
			if len(some) != 0 {
				t.Errorf("from %q: listed %v", place, some)
			}
		}
	}
	for _, place := range []string{"a/b", "/", "a\x00"} {
		_, _, err := p.List(bounded(t), f, ledger.EncodePage(f, place), 10)
		expect(t, "a place outside of the list", err, ledger.ErrPage)
	}
}
