package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// taken is an event that was taken in, with every field set.
func taken(t *testing.T, suffix string) Taken {
	t.Helper()
	e := filled[Taken](t, suffix)
	e.Operation = payment.OperationKey{Tenant: "merchant", ID: "a0123456789abcdef0123456789abcdef"}
	return e
}

// attention is one with every field set.
func attention(t *testing.T, suffix string) payment.Attention {
	t.Helper()
	a := filled[payment.Attention](t, suffix)
	a.ID, a.Tenant, a.Kind = "0123456789abcdef0123456789abcdef", "merchant", payment.AttentionSecondEffect
	return a
}

// Goal: what nobody could find again, or the wrong ones would find, is never
// written. Method: a good record with one thing wrong.
func TestNewsNotWritten(t *testing.T) {
	for name, change := range map[string]func(*Taken){
		"event of no account":                func(e *Taken) { e.Account = "" },
		"event without an id":                func(e *Taken) { e.ID = "" },
		"event taken in by nobody":           func(e *Taken) { e.Boot = "" },
		"event of a malformed operation":     func(e *Taken) { e.Operation.ID = "x" },
		"event of an operation of no one":    func(e *Taken) { e.Operation.Tenant = "" },
		"event that was taken in in a dream": func(e *Taken) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			e := taken(t, "")
			change(&e)
			if _, err := EncodeTaken(e); !errors.Is(err, ErrRecord) {
				t.Errorf("got error %v, want %v", err, ErrRecord)
			}
		})
	}
	for name, change := range map[string]func(*payment.Attention){
		"attention without an id":              func(a *payment.Attention) { a.ID = "" },
		"attention whose id is no hash":        func(a *payment.Attention) { a.ID = "a/b" },
		"attention whose id is in upper case":  func(a *payment.Attention) { a.ID = strings.ToUpper(a.ID) },
		"attention of a tenant that is a path": func(a *payment.Attention) { a.Tenant = "a/b" },
		"attention of the tenant nobody":       func(a *payment.Attention) { a.Tenant = payment.Nobody },
		"attention of no kind":                 func(a *payment.Attention) { a.Kind = "" },
		"attention to an event without an id":  func(a *payment.Attention) { a.Event.ID = "" },
		"attention at a distant time":          func(a *payment.Attention) { a.Event.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			a := attention(t, "")
			change(&a)
			if _, err := EncodeAttention(a); !errors.Is(err, ErrRecord) {
				t.Errorf("got error %v, want %v", err, ErrRecord)
			}
		})
	}
}

// Goal: what is left out is read as left out. Method: the smallest records.
func TestSmallestNews(t *testing.T) {
	e := Taken{EventKey: payment.EventKey{Account: "a", ID: "1"}, Boot: "b"}
	raw, err := EncodeTaken(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeTaken(raw); err != nil || got != e {
		t.Errorf("read %+v (%v), want %+v", got, err, e)
	}
	a := payment.Attention{Kind: payment.AttentionStuck}.Identified()
	if raw, err = EncodeAttention(a); err != nil {
		t.Fatal(err)
	}
	got, err := DecodeAttention(raw)
	if diff := cmp.Diff(a, got); err != nil || diff != "" {
		t.Errorf("read something else (%v):\n%s", err, diff)
	}
}

// Goal: encoding leaves the caller's attention as it was. Method: the zone of
// the times that it points to.
func TestEncodeAttentionLeavesItsArgument(t *testing.T) {
	a := attention(t, "")
	if _, err := EncodeAttention(a); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]time.Time{"the event": a.Event.Time, "its answer": a.Event.Answer.ExpireTime, "its effect": a.Event.Outside.Time} {
		if at.Location() == time.UTC {
			t.Errorf("encoding changed the time of %s", name)
		}
	}
}
