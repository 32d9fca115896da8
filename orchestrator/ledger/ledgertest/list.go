package ledgertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// listProperties: payments are found by time, status and merchant reference, by
// their own tenant, newest first and page by page.
func listProperties() []property {
	return []property{
		{"is in order, newest first, and whole", "", listOrder},
		{"of a time includes its beginning and excludes its end", "", listTime},
		{"in pages of any size is the whole", "", listPages},
		{"in pages while payments are made misses none and repeats none", "", listWhileMade},
		{"of a merchant reference holds its payments alone", "", listReference},
		{"of statuses shows where payments stand now", "", listStatus},
		{"holds no payment of another tenant", "", listTenants},
		{"holds what a claim has made, and nothing of a refused one", "", listClaims},
		{"refuses a page token that is not its own", "", listToken},
		{"keeps its limit", "", listLimit},
		{"read by a caller whose context ended fails", "", listContext},
	}
}

// moments are as far apart as a quiet shop's and as near as a busy one's:
// several within a millisecond, and several years.
func (w *world) moments() []time.Duration {
	return []time.Duration{
		0, 0, 0, time.Nanosecond, 300 * time.Microsecond, time.Millisecond, -time.Millisecond, 2 * time.Second, -90 * time.Second,
		-time.Hour, -time.Hour, -25 * time.Hour, -60 * 24 * time.Hour, -3 * 365 * 24 * time.Hour, 4 * time.Minute, 40 * time.Minute,
	}
}

// madeAt is a payment that boot i has claimed at a time.
func (w *world) madeAt(i int, at time.Time, name payment.MerchantReference) ledger.Snapshot {
	w.Helper()
	return w.madeFor(i, tenant, at, name)
}

func (w *world) madeFor(i int, t payment.TenantID, at time.Time, name payment.MerchantReference) ledger.Snapshot {
	w.Helper()
	s, err := w.Ledgers[i].Claim(w.ctx(), ledger.Snapshot{}, w.authorizeAt(i, w.call(t, payment.MethodAuthorize), at, name))
	w.ok("claim", err)
	return s
}

// made are payments of the tenant at every moment, claimed in any order.
func (w *world) made() []payment.Payment {
	w.Helper()
	var all []payment.Payment
	for i, m := range w.moments() {
		all = append(all, w.madeAt(i%Boots, w.t0.Add(m), "order-1").Payment)
	}
	return newestFirst(all)
}

// newestFirst is the order of a list: by id, which is by time of creation.
func newestFirst(all []payment.Payment) []payment.Payment {
	slices.SortFunc(all, func(a, b payment.Payment) int { return strings.Compare(string(b.ID), string(a.ID)) })
	return all
}

// listed walks all pages of a list, and lets happen what between does after each.
func (w *world) listed(l ledger.Ledger, f ledger.Filter, limit int, between func()) []payment.Payment {
	w.Helper()
	var all []payment.Payment
	page := ""
	for range 1000 {
		some, next, err := l.List(w.ctx(), f, page, limit)
		w.ok("list", err)
		if len(some) > limit {
			w.Fatalf("a page of %d holds %d", limit, len(some))
		}
		all = append(all, some...)
		if next == "" {
			return all
		}
		page = next
		between()
	}
	w.Fatal("the list does not come to an end")
	return nil
}

// lists checks what every ledger lists.
func (w *world) lists(what string, f ledger.Filter, want []payment.Payment) {
	w.Helper()
	for _, l := range w.Ledgers {
		same(w, "the list of "+what, w.listed(l, f, 100, func() {}), want)
	}
}

func listOrder(w *world) {
	w.lists("nothing", ledger.Filter{Tenant: tenant}, nil)
	w.lists("everything", ledger.Filter{Tenant: tenant}, w.made())
}

func listTime(w *world) {
	all := w.made()
	for _, from := range append(w.moments(), -24*time.Hour, time.Hour) {
		for _, until := range append(w.moments(), -24*time.Hour, time.Hour) {
			f := ledger.Filter{Tenant: tenant, From: w.t0.Add(from), Until: w.t0.Add(until)}
			var want []payment.Payment
			for _, p := range all {
				if !p.Created.Before(f.From) && p.Created.Before(f.Until) {
					want = append(want, p)
				}
			}
			same(w, "the list between two times", w.listed(w.Ledgers[0], f, 100, func() {}), want)
		}
		earlier := func(p payment.Payment) bool { return p.Created.Before(w.t0.Add(from)) }
		later := func(p payment.Payment) bool { return !earlier(p) }
		w.lists("what is not before", ledger.Filter{Tenant: tenant, From: w.t0.Add(from)}, remaining(all, earlier))
		w.lists("what is before", ledger.Filter{Tenant: tenant, Until: w.t0.Add(from)}, remaining(all, later))
	}
}

// remaining is a copy of all without some.
func remaining(all []payment.Payment, without func(payment.Payment) bool) []payment.Payment {
	return slices.DeleteFunc(slices.Clone(all), without)
}

func listPages(w *world) {
	all := w.made()
	for _, limit := range []int{1, 2, 5, len(all) - 1, len(all), len(all) + 1} {
		for _, f := range []ledger.Filter{
			{Tenant: tenant},
			{Tenant: tenant, MerchantReference: "order-1"},
			{Tenant: tenant, Statuses: []payment.Status{payment.StatusAuthorizing}},
		} {
			same(w, "all pages together", w.listed(w.Ledgers[limit%Boots], f, limit, func() {}), all)
		}
	}
}

// listWhileMade: payments are made both after and before what has been read.
func listWhileMade(w *world) {
	before := w.made()
	known := map[payment.ID]bool{}
	for _, p := range before {
		known[p.ID] = true
	}
	for _, f := range []ledger.Filter{{Tenant: tenant}, {Tenant: tenant, MerchantReference: "order-1"}} {
		n := 0
		all := w.listed(w.Ledgers[0], f, 3, func() {
			if n++; n > 4 {
				return
			}
			w.madeAt(1, w.t0.Add(time.Duration(n)*time.Minute), "order-1")
			w.madeAt(2, w.t0.Add(-time.Duration(n)*time.Hour*24*300), "order-1")
			w.madeAt(2, w.t0, "order-1")
		})
		same(w, "what was there before", slices.DeleteFunc(slices.Clone(all), func(p payment.Payment) bool { return !known[p.ID] }), before)
		ids := make([]payment.ID, len(all))
		for i, p := range all {
			ids[i] = p.ID
		}
		if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(all) {
			w.Fatal("a payment is on two pages")
		}
		same(w, "the order", all, newestFirst(slices.Clone(all)))
	}
}

func listReference(w *world) {
	names := []payment.MerchantReference{"order-1", "order-10", "order", "a/b", "é \x00", payment.MerchantReference(strings.Repeat("long", 60))}
	want := map[payment.MerchantReference][]payment.Payment{}
	for i, m := range w.moments() {
		name := names[i%len(names)]
		s := w.madeAt(i%Boots, w.t0.Add(m), name)
		if i%2 == 0 {
			s = w.advance(i%Boots, s, w.outcome(s, payment.StateSucceeded))
		}
		want[name] = append(want[name], s.Payment)
		w.madeFor(0, "merchant-2", w.t0, name)
	}
	w.madeAt(0, w.t0, "") // has none, and is found by none
	for _, name := range names {
		all := newestFirst(want[name])
		f := ledger.Filter{Tenant: tenant, MerchantReference: name}
		w.lists("a merchant reference", f, all)
		same(w, "its pages together", w.listed(w.Ledgers[1], f, 1, func() {}), all)
		f.From, f.Until = w.t0.Add(-time.Hour), w.t0.Add(time.Second)
		w.lists("its payments of a time", f, remaining(all, func(p payment.Payment) bool { return !f.Fits(p) }))
		f = ledger.Filter{Tenant: tenant, MerchantReference: name, Statuses: []payment.Status{payment.StatusAuthorized}}
		w.lists("its payments of a status", f, remaining(all, func(p payment.Payment) bool { return p.Status != payment.StatusAuthorized }))
	}
	w.lists("a merchant reference that nobody used", ledger.Filter{Tenant: tenant, MerchantReference: "order-2"}, nil)
}

func listStatus(w *world) {
	states := []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StatePending, payment.StateFailed}
	var all []payment.Payment
	for i, m := range w.moments() {
		s := w.madeAt(i%Boots, w.t0.Add(m), "order-1")
		if i%5 < len(states) {
			s = w.advance(i%Boots, s, w.outcome(s, states[i%5]))
		}
		all = append(all, s.Payment)
	}
	newestFirst(all)
	for _, statuses := range [][]payment.Status{
		{payment.StatusAuthorized},
		{payment.StatusDeclined, payment.StatusAuthorizing},
		{payment.StatusPending, payment.StatusFailed, payment.StatusPending},
		{payment.StatusVoided},
		{"NONE"},
	} {
		f := ledger.Filter{Tenant: tenant, Statuses: statuses}
		want := remaining(all, func(p payment.Payment) bool { return !slices.Contains(statuses, p.Status) })
		w.lists("some statuses", f, want)
		same(w, "its pages together", w.listed(w.Ledgers[0], f, 1, func() {}), want)
	}
	s := w.capturing(0, w.authorized(0), amount)
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	w.lists("a status that was just entered", ledger.Filter{Tenant: tenant, Statuses: []payment.Status{payment.StatusCaptured}}, []payment.Payment{s.Payment})
}

// listTenants: names that are prefixes of each other, and one payment id.
func listTenants(w *world) {
	tenants := []payment.TenantID{"merchant", "merchant-2", "merchan", "m"}
	want := map[payment.TenantID][]payment.Payment{}
	id := w.paymentID(w.t0)
	for i, t := range tenants {
		c := w.authorize(0, w.call(t, payment.MethodAuthorize))
		c.Operation.PaymentID, c.Payment.ID = id, id
		s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
		w.ok("claim of tenant "+string(t), err)
		want[t] = append(want[t], s.Payment)
		for range i {
			want[t] = append(want[t], w.madeFor(1, t, w.t0.Add(-time.Second), "order-1").Payment)
		}
	}
	for _, t := range tenants {
		w.lists("tenant "+string(t), ledger.Filter{Tenant: t}, newestFirst(want[t]))
		w.lists("a reference of tenant "+string(t), ledger.Filter{Tenant: t, MerchantReference: "order-1"}, want[t])
	}
	for _, t := range []payment.TenantID{"", "other", "mer", "merchant/", "/"} {
		w.lists("nobody's", ledger.Filter{Tenant: t}, nil)
	}
}

func listClaims(w *world) {
	var all []payment.Payment
	f := ledger.Filter{Tenant: tenant}
	for i := range Boots {
		s := w.claimed(i)
		all = newestFirst(append(all, s.Payment))
		w.lists("what was just claimed", f, all)
		_, err := w.Ledgers[i].Claim(w.ctx(), ledger.Snapshot{}, w.reclaim(i, s.Operation))
		same(w, "the operation that has the key", w.taken(err).Operation, s.Operation)
		w.lists("everything after a refused claim", f, all)
	}
	w.EndSession(w.T, 0)
	_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(0, w.call(tenant, payment.MethodAuthorize)))
	w.fails("claim without a session", err, ledger.ErrSessionLost)
	w.lists("everything after it", f, all)
	f.MerchantReference = "order-1"
	w.lists("the reference after it", f, all)
}

func listToken(w *world) {
	w.made()
	f := ledger.Filter{Tenant: tenant, Statuses: []payment.Status{payment.StatusAuthorizing, payment.StatusUnknown}}
	for _, l := range w.Ledgers {
		_, token, err := w.Ledgers[0].List(w.ctx(), f, "", 2)
		w.ok("list", err)
		for _, bad := range []string{"x", token + "x", token[1:], token[:len(token)/2], strings.ToUpper(token), "AAAA" + token} {
			_, _, err := l.List(w.ctx(), f, bad, 2)
			w.fails("a page token that nobody made", err, ledger.ErrPage)
		}
		for name, other := range map[string]ledger.Filter{
			"another tenant":    {Tenant: "merchant-2", Statuses: f.Statuses},
			"other statuses":    {Tenant: tenant, Statuses: f.Statuses[:1]},
			"all statuses":      {Tenant: tenant},
			"a reference":       {Tenant: tenant, Statuses: f.Statuses, MerchantReference: "order-1"},
			"another beginning": {Tenant: tenant, Statuses: f.Statuses, From: w.t0},
			"another end":       {Tenant: tenant, Statuses: f.Statuses, Until: w.t0},
		} {
			_, _, err := l.List(w.ctx(), other, token, 2)
			w.fails("a page token used for "+name, err, ledger.ErrPage)
		}
		turned := ledger.Filter{Tenant: tenant, Statuses: []payment.Status{f.Statuses[1], f.Statuses[0]}}
		_, _, err = l.List(w.ctx(), turned, token, 7)
		w.ok("a page token for the same filter in other words, with another limit", err)
	}
}

func listLimit(w *world) {
	all := w.made()
	for limit, want := range map[int]int{-1: 1, 0: 1, 1: 1, 3: 3, ledger.PageMax + 1: len(all), 1 << 40: len(all)} {
		for _, l := range w.Ledgers {
			some, next, err := l.List(w.ctx(), ledger.Filter{Tenant: tenant}, "", limit)
			w.ok("list", err)
			for next != "" && len(some) < want { // a short page
				var more []payment.Payment
				more, next, err = l.List(w.ctx(), ledger.Filter{Tenant: tenant}, next, want-len(some))
				w.ok("list", err)
				some = append(some, more...)
			}
			same(w, "the first page", some, all[:want])
		}
	}
}

func listContext(w *world) {
	w.claimed(0)
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	for _, l := range w.Ledgers {
		if _, _, err := l.List(ctx, ledger.Filter{Tenant: tenant}, "", 10); err == nil || errors.Is(err, ledger.ErrPage) {
			w.Fatalf("a list whose context had ended: %v", err)
		}
	}
}
