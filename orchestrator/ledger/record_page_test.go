package ledger

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func filterOf(change func(*Filter)) Filter {
	at := time.Date(2026, 3, 1, 2, 3, 4, 5, time.UTC)
	f := Filter{
		Tenant: "merchant", MerchantReference: "order-1", From: at, Until: at.Add(time.Hour),
		Statuses: []payment.Status{payment.StatusAuthorized, payment.StatusCaptured},
	}
	change(&f)
	return f
}

func same(*Filter) {}

// A token leads back to its place under the filter that it was made for, however
// that is written, and under no other.
func TestPageFitsItsFilter(t *testing.T) {
	token := EncodePage(filterOf(same), "place")
	for name, change := range map[string]func(*Filter){
		"the same": same,
		"statuses in another order": func(f *Filter) {
			f.Statuses = []payment.Status{payment.StatusCaptured, payment.StatusAuthorized, payment.StatusCaptured}
		},
		"times in another zone": func(f *Filter) { f.From = f.From.In(time.FixedZone("elsewhere", 7200)) },
	} {
		if place, err := DecodePage(filterOf(change), token); place != "place" || err != nil {
			t.Errorf("%s: place %q, error %v", name, place, err)
		}
	}
	for name, change := range map[string]func(*Filter){
		"another tenant":                 func(f *Filter) { f.Tenant = "other" },
		"another reference":              func(f *Filter) { f.MerchantReference = "order-2" },
		"no reference":                   func(f *Filter) { f.MerchantReference = "" },
		"fewer statuses":                 func(f *Filter) { f.Statuses = f.Statuses[:1] },
		"all statuses":                   func(f *Filter) { f.Statuses = nil },
		"another beginning":              func(f *Filter) { f.From = f.From.Add(time.Nanosecond) },
		"another end":                    func(f *Filter) { f.Until = f.Until.Add(time.Nanosecond) },
		"no beginning":                   func(f *Filter) { f.From = time.Time{} },
		"no end":                         func(f *Filter) { f.Until = time.Time{} },
		"the same letters cut elsewhere": func(f *Filter) { f.Tenant, f.MerchantReference = f.Tenant+"o", f.MerchantReference[1:] },
	} {
		if place, err := DecodePage(filterOf(change), token); !errors.Is(err, ErrPage) {
			t.Errorf("%s: place %q, error %v, want %v", name, place, err, ErrPage)
		}
	}
}

// What is no token is refused; no token is the first page.
func TestPageRefused(t *testing.T) {
	f := filterOf(same)
	if place, err := DecodePage(f, ""); place != "" || err != nil {
		t.Errorf("no token: place %q, error %v", place, err)
	}
	good := EncodePage(f, "place")
	newer := base64.RawURLEncoding.EncodeToString(append([]byte{pageVersion + 1}, append(f.sum("place"), "place"...)...))
	for name, token := range map[string]string{
		"words": "next page", "a letter": "A", "padded": good + "=", "cut": good[:20], "with a blank": good + " ", "with more": good + "AAAA",
		"of a newer version": newer, "of no place": EncodePage(f, ""), "of a long place": EncodePage(f, strings.Repeat("x", 65)),
	} {
		if place, err := DecodePage(f, token); !errors.Is(err, ErrPage) {
			t.Errorf("%s: place %q, error %v, want %v", name, place, err, ErrPage)
		}
	}
}

// A filter chooses what agrees with all that it says: From is inside, Until is not.
func TestFilterFits(t *testing.T) {
	f := filterOf(same)
	fitting := payment.Payment{Tenant: "merchant", MerchantReference: "order-1", Status: payment.StatusCaptured, Created: f.From}
	if !f.Fits(fitting) || !(Filter{Tenant: "merchant"}).Fits(fitting) {
		t.Error("a payment that fits is not chosen")
	}
	for name, change := range map[string]func(*payment.Payment){
		"tenant":    func(p *payment.Payment) { p.Tenant = "other" },
		"reference": func(p *payment.Payment) { p.MerchantReference = "order-10" },
		"status":    func(p *payment.Payment) { p.Status = payment.StatusUnknown },
		"before":    func(p *payment.Payment) { p.Created = f.From.Add(-1) },
		"at end":    func(p *payment.Payment) { p.Created = f.Until },
	} {
		p := fitting
		change(&p)
		if f.Fits(p) {
			t.Errorf("chosen although it does not fit: %s", name)
		}
	}
	if (Filter{}).Fits(fitting) {
		t.Error("a filter of no tenant chooses a payment")
	}
}
