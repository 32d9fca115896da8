package etcdledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// listIDs is how many ids are read at a time.
	listIDs = 200
	// listReads bounds the reads of ids for one page.
	listReads = 32
	// The first window of time that is read is of firstWindow milliseconds. One
	// after an empty one is windowGrowth times as wide, so that a dozen reads reach
	// back to 1970, but less once a window held too many; otherwise it is to bring
	// about half as many ids as fit.
	firstWindow   = 1000
	windowGrowth  = 16
	carefulGrowth = 4
)

// List implements ledger.Ledger.
func (l *Ledger) List(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
	type listed struct {
		payments []payment.Payment
		next     string
	}
	done := l.timing.start(ctx, "list")
	r, err := again(func() (listed, error) {
		payments, next, err := l.list(ctx, f, page, ledger.PageSize(limit))
		return listed{payments, next}, err
	})
	done(err)
	return r.payments, r.next, err
}

func (l *Ledger) list(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
	place, err := ledger.DecodePage(f, page)
	if err != nil {
		return nil, "", err
	}
	if place != "" && !segment(place) {
		return nil, "", fmt.Errorf("%w: no place", ledger.ErrPage)
	}
	if !segment(string(f.Tenant)) {
		return nil, "", nil // nobody's
	}
	size := min(limit, readsPerTxn)
	if len(f.Statuses) > 0 {
		size = readsPerTxn // most of them may not fit
	}
	var out []payment.Payment
	w := l.walk(f, place)
	for scanned := 0; !w.over && w.reads < listReads && scanned < ledger.PageScan; {
		ids, err := w.next(ctx)
		if err != nil {
			return nil, "", err
		}
		for some := range slices.Chunk(ids, size) {
			payments, err := l.payments(ctx, f.Tenant, some, w.rev)
			if err != nil {
				return nil, "", err
			}
			for i, p := range payments {
				if !f.Fits(p) {
					continue
				}
				if out = append(out, p); len(out) == limit {
					return out, w.rest(f, some[i], ids), nil
				}
			}
		}
		scanned += len(ids)
	}
	return out, w.rest(f, "", nil), nil
}

// payments reads payments as of one revision of etcd, in the order of their ids.
// One that is no longer there is zero, and fits no filter.
func (l *Ledger) payments(ctx context.Context, tenant payment.TenantID, ids []payment.ID, rev int64) ([]payment.Payment, error) {
	gets := make([]clientv3.Op, len(ids))
	for i, id := range ids {
		gets[i] = clientv3.OpGet(l.keys.payment(tenant, id), clientv3.WithRev(rev))
	}
	resp, err := l.gets(ctx, gets...)
	if err != nil {
		return nil, err
	}
	out := make([]payment.Payment, len(ids))
	for i := range ids {
		if kv := found(resp, i); kv != nil {
			if out[i], err = ledger.DecodePayment(kv.Value); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// walk goes through an index whose keys end in the ids of payments, from the
// newest to the oldest.
//
// etcd gives the last keys of a range only by reading and sorting all of it. The
// ids begin with the milliseconds at which they were made, so the walk asks for
// narrow windows of time instead, from the present back. Its own clock only says
// where to look first: one that is wrong costs time, and misses nothing.
type walk struct {
	ledger *Ledger
	prefix string
	low    string // the walk ends here: at the least id that can fit, or at ""
	end    string // all ids from here up have been seen; "" at the beginning
	width  int64  // of the next window, in milliseconds
	growth int64  // of the width, at most
	now    int64  // in milliseconds
	rev    int64  // of etcd, that every read of this walk is as of; 0 before the first
	reads  int
	over   bool // nothing is left that could fit
}

func (l *Ledger) walk(f ledger.Filter, place string) *walk {
	w := &walk{ledger: l, prefix: l.keys.payments(f.Tenant), width: firstWindow, growth: windowGrowth, now: time.Now().UnixMilli(), end: place}
	if f.MerchantReference != "" {
		w.prefix = l.keys.merchantReferences(f.Tenant, f.MerchantReference)
	}
	if !f.From.IsZero() {
		w.low = idFrom(f.From.UnixMilli())
	}
	if !f.Until.IsZero() {
		// Within its millisecond the time decides, which only the record tells.
		if until := idFrom(f.Until.UnixMilli() + 1); w.end == "" || until < w.end {
			w.end = until
		}
	}
	w.over = w.end != "" && w.end <= w.low
	return w
}

// rest is the token of what follows id, where a page ends, one of the last window's
// ids; of what follows that window if there is none. "" if nothing follows.
func (w *walk) rest(f ledger.Filter, id payment.ID, ids []payment.ID) string {
	switch {
	case id != "" && id != ids[len(ids)-1]:
		return ledger.EncodePage(f, string(id))
	case w.over:
		return ""
	}
	return ledger.EncodePage(f, w.end)
}

// next reads one window, and returns its ids, newest first. There may be none.
func (w *walk) next(ctx context.Context) ([]payment.ID, error) {
	from, whole := w.window()
	opts := []clientv3.OpOption{clientv3.WithRange(w.until()), clientv3.WithLimit(listIDs), clientv3.WithKeysOnly(), clientv3.WithRev(w.rev)}
	if whole {
		opts = append(opts, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	}
	resp, err := w.ledger.get(ctx, w.prefix+from, opts...)
	if err != nil {
		return nil, err
	}
	w.reads++
	if w.rev == 0 {
		w.rev = resp.Header.Revision
	}
	if resp.More && !whole { // these are its oldest, and the newest are asked for
		w.width, w.growth = max(1, w.width*listIDs/(2*resp.Count)), carefulGrowth
		return nil, nil
	}
	ids := make([]payment.ID, len(resp.Kvs))
	for i, kv := range resp.Kvs {
		ids[i] = payment.ID(strings.TrimPrefix(string(kv.Key), w.prefix))
	}
	if !whole {
		slices.Reverse(ids)
	}
	if w.end = from; resp.More {
		w.end = string(ids[len(ids)-1])
	}
	w.over = w.end <= w.low
	w.width *= min(w.growth, max(1, int64(listIDs/2/max(1, len(ids)))))
	return ids, nil
}

// window is where the next window begins, and whether all of it is to be read
// and sorted by etcd: what is newer than now, hardly anything, and what was made
// within one millisecond.
func (w *walk) window() (from string, whole bool) {
	top, timed := timeOfID(w.end)
	if !timed || top > w.now {
		return max(w.low, idFrom(w.now)), true
	}
	if len(w.end) == len(idFrom(top)) {
		top-- // an end that is no id leaves nothing of its own millisecond
	}
	if top < w.width {
		return w.low, w.width == 1
	}
	return max(w.low, idFrom(top+1-w.width)), w.width == 1
}

// until is the key before which the next window ends.
func (w *walk) until() string {
	if w.end == "" {
		return clientv3.GetPrefixRangeEnd(w.prefix)
	}
	return w.prefix + w.end
}
