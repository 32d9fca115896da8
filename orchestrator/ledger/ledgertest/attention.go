package ledgertest

import (
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// attentionProperties: what only a person can judge is found by those whom it
// concerns, once, however often it was met.
func attentionProperties() []property {
	return []property{
		{"is listed for its tenant alone, and an orphan for nobody", "", attentionOfTenants},
		{"is put once and stays as it was", "", attentionOnce},
		{"comes with the change that called for it", "", attentionWithChange},
		{"is listed in pages of any size", "", attentionPages},
		{"keeps its limit", "", attentionLimit},
		{"of nobody's name is nobody's", "", attentionOfNobody},
	}
}

// attention is put by ledger i.
func (w *world) attention(i int, a *payment.Attention) {
	w.Helper()
	w.recorded(i, ledger.Snapshot{}, nil, ledger.News{Attention: a})
}

func attentionOfTenants(w *world) {
	orphan := w.orphan()
	w.attention(0, orphan)
	all := map[payment.TenantID]*payment.Attention{"": orphan}
	for _, t := range []payment.TenantID{"merchant", "merchant-2", "merchan", "m"} {
		a := *w.contradiction(w.claimed(0))
		a.Tenant, a.Operation, a.Payment = t, "", ""
		a = a.Identified()
		all[t] = &a
		w.attention(1, &a)
	}
	for t, a := range all {
		w.attentive(t, *a)
	}
	w.attentive("other")
	w.attentive("merchant/")
}

func attentionOnce(w *world) {
	s := w.claimed(0)
	a := w.contradiction(s)
	w.attention(0, a)
	again := *a
	again.Summary, again.Time = "found again", a.Time.Add(1)
	if again.Identified().ID != a.ID {
		w.Fatal("the fixture itself is wrong: the same thing has another id")
	}
	w.attention(1, &again)
	w.attentive(tenant, *a)
	w.attention(0, a)
	c := told(w.outcome(s, payment.StateSucceeded), w.event())
	c.Attention = &again
	w.holds(w.advance(0, s, c))
	w.attentive(tenant, *a)
}

func attentionWithChange(w *world) {
	s := w.claimed(0)
	first, second := w.contradiction(s), w.contradiction(s)
	c := w.halting(s)
	c.Attention = first
	before := w.advance(0, s, c)
	w.holds(before)
	w.attentive(tenant, *first)
	w.advance(0, before, w.postponed(before, w.t0.Add(time.Second)))
	stale := w.postponed(before, w.t0)
	stale.Attention = second
	_, err := w.Ledgers[1].Advance(w.ctx(), before, stale)
	w.fails("a change of an operation that moved", err, ledger.ErrFenced)
	w.attentive(tenant, *first)
}

// many are n things that need attention, in the order of their ids.
func (w *world) many(n int) []payment.Attention {
	w.Helper()
	s := w.claimed(0)
	all := make([]payment.Attention, n)
	for i := range all {
		all[i] = *w.contradiction(s)
		w.attention(i%Boots, &all[i])
	}
	slices.SortFunc(all, func(a, b payment.Attention) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func attentionPages(w *world) {
	all := w.many(7)
	w.attention(0, w.orphan())
	for limit := 1; limit <= len(all)+1; limit++ {
		var got []payment.Attention
		for after := ""; len(got) <= len(all); { // more than all is wrong already
			page, err := w.Ledgers[limit%Boots].Attention(w.ctx(), tenant, after, limit)
			w.ok("attention", err)
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1].ID
		}
		same(w, "all pages", got, all)
	}
	for _, after := range []string{"~", all[len(all)-1].ID, "\xff"} {
		got, err := w.Ledgers[0].Attention(w.ctx(), tenant, after, 10)
		w.ok("attention", err)
		same(w, "what comes after everything", got, nil)
	}
	got, err := w.Ledgers[0].Attention(w.ctx(), tenant, all[2].ID[:31], 10)
	w.ok("attention", err)
	same(w, "what comes after the beginning of an id", got, all[2:])
}

func attentionLimit(w *world) {
	all := w.many(3)
	for limit, want := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 3: 3, ledger.PageMax + 1: 3} {
		got, err := w.Ledgers[0].Attention(w.ctx(), tenant, "", limit)
		w.ok("attention", err)
		same(w, "what the limit allows", got, all[:want])
	}
}

// attentionOfNobody: no tenant is called what stands for none, or it would see
// the orphans.
func attentionOfNobody(w *world) {
	orphan := w.orphan()
	w.attention(0, orphan)
	w.attentive(payment.Nobody)
	a := *w.contradiction(w.claimed(0))
	a.Tenant = payment.Nobody
	a = a.Identified()
	_, err := w.Ledgers[0].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Attention: &a})
	if err == nil {
		w.Fatal("a tenant is called what stands for none")
	}
	w.attentive("", *orphan)
}
