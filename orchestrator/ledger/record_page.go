package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// PageMax is the most payments that one page of List holds.
	PageMax = 500
	// PageScan is the number of payments that one page of List reads in search of
	// some that fit, about: a page that has read so many ends there.
	PageScan = 1000
)

// A page token is, in base64url without padding, one byte of version, a hash of
// the filter and the place, and the place where the next page begins.
const (
	pageVersion  = 1
	pageHash     = 16
	pagePlaceMax = 64
)

// PageSize brings a limit within what one page of List holds: one payment at
// least, so that every page gets on, and PageMax at most.
func PageSize(limit int) int { return min(max(1, limit), PageMax) }

// Fits reports whether the filter chooses a payment.
func (f Filter) Fits(p payment.Payment) bool {
	switch {
	case p.Tenant != f.Tenant,
		f.MerchantReference != "" && p.MerchantReference != f.MerchantReference,
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, p.Status),
		!f.From.IsZero() && p.Created.Before(f.From),
		!f.Until.IsZero() && !p.Created.Before(f.Until):
		return false
	}
	return true
}

// EncodePage makes the token of the page that begins at a place of the list that
// f chooses. What a place is, is the ledger's own affair: it has 1 to 64 bytes.
func EncodePage(f Filter, place string) string {
	raw := append([]byte{pageVersion}, f.sum(place)...)
	return base64.RawURLEncoding.EncodeToString(append(raw, place...))
}

// DecodePage returns the place that a token was made of, "" for no token: the
// first page. A token fits one filter only, or a caller who changes the filter
// between pages would miss payments without noticing.
//
// It is no secret and proves nothing: whoever reads this can make one up, so a
// place must lead nowhere that the filter does not. Errors: ErrPage.
func DecodePage(f Filter, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= 1+pageHash || len(raw) > 1+pageHash+pagePlaceMax || raw[0] != pageVersion {
		return "", fmt.Errorf("%w: malformed", ErrPage)
	}
	place := string(raw[1+pageHash:])
	if !bytes.Equal(raw[1:1+pageHash], f.sum(place)) {
		return "", fmt.Errorf("%w: made for another filter, or damaged", ErrPage)
	}
	return place, nil
}

// sum stands for a place and all that the filter says. The order of its statuses
// says nothing.
func (f Filter) sum(place string) []byte {
	parts := []string{"acquit-page-1", place, string(f.Tenant), string(f.MerchantReference), instant(f.From), instant(f.Until)}
	statuses := slices.Clone(f.Statuses)
	slices.Sort(statuses)
	for _, s := range slices.Compact(statuses) {
		parts = append(parts, string(s))
	}
	h := sha256.New()
	payment.WriteParts(h, parts...)
	return h.Sum(nil)[:pageHash]
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
