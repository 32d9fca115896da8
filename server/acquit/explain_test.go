package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// refused is an error of the service with a reason.
func refused(t *testing.T, reason string) error {
	t.Helper()
	s, err := status.New(codes.Aborted, "refused").WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "acquit.dev"})
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

// TestExplainTellsWhetherMoneyMayHaveMoved: for every reason of the contract, a
// person who called with a key is told to keep it where an effect is possible, and
// the exit code says the same; who only read is never told of a key.
func TestExplainTellsWhetherMoneyMayHaveMoved(t *testing.T) {
	possible := []string{"OUTCOME_PENDING", "INTERNAL", "IDEMPOTENCY_KEY_IN_FLIGHT"}
	for _, name := range acquitv1.ErrorReason_name {
		reason := strings.TrimPrefix(name, "ERROR_REASON_")
		if reason == "UNSPECIFIED" {
			continue
		}
		for _, key := range []string{"order 1", ""} {
			var out bytes.Buffer
			c := client{sentKey: key, output: newFormat("text", "json")}
			ended, ok := errors.AsType[*result](c.explain(terminal{err: &out}, refused(t, reason), true))
			want := exitError
			if key != "" && slices.Contains(possible, reason) {
				want = exitUnknown
			}
			if !ok || ended.code != want {
				t.Errorf("%s, key %q: ended as %v, want %d", reason, key, ended, want)
			}
			if told := strings.Contains(out.String(), "ask again with --key 'order 1'"); told != (want == exitUnknown) {
				t.Errorf("%s, key %q:\n%s", reason, key, &out)
			}
			if key == "" && strings.Contains(out.String(), "key") {
				t.Errorf("%s: a read is told of a key:\n%s", reason, &out)
			}
		}
	}
}

// TestExplainOfACallThatNeverLeft: nothing was done, with a key or without.
func TestExplainOfACallThatNeverLeft(t *testing.T) {
	for _, key := range []string{"order-1", ""} {
		var out bytes.Buffer
		c := client{sentKey: key, output: newFormat("text", "json")}
		ended, ok := errors.AsType[*result](c.explain(terminal{err: &out}, status.Error(codes.Unavailable, "connection refused"), false))
		if !ok || ended.code != exitError || !strings.Contains(out.String(), "nothing was done") {
			t.Errorf("key %q: ended as %v:\n%s", key, ended, &out)
		}
	}
}

// TestMoment: the times that a person may write.
func TestMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-01-31":                now.AddDate(0, -1, -1).Truncate(24 * time.Hour),
		"2026-01-31T08:30:00Z":      time.Date(2026, 1, 31, 8, 30, 0, 0, time.UTC),
		"2026-01-31T08:30:00+02:00": time.Date(2026, 1, 31, 6, 30, 0, 0, time.UTC),
		"90m":                       now.Add(-90 * time.Minute),
		"0s":                        now,
	} {
		if got, err := moment("--since", text, now); err != nil || !got.AsTime().Equal(want) {
			t.Errorf("%s: %v, %v, want %v", text, got.AsTime(), err, want)
		}
	}
	if got, err := moment("--since", "", now); got != nil || err != nil {
		t.Errorf("no time: %v, %v", got, err)
	}
	for _, text := range []string{"-1h", "31.01.2026", "2026-02-30", "24", "now"} {
		if got, err := moment("--since", text, now); err == nil {
			t.Errorf("%s was read as %v", text, got.AsTime())
		}
	}
}

// TestBounds: the next page is asked for under the same conditions to the instant,
// however the times of the first were written.
func TestBounds(t *testing.T) {
	at := time.Date(2026, 1, 31, 8, 30, 0, 123456789, time.UTC)
	flags := bounds(&acquitv1.ListPaymentsRequest{CreateTimeFrom: timestamppb.New(at)})
	text, ok := strings.CutPrefix(flags, " --since ")
	if again, err := moment("--since", text, at.Add(time.Hour)); !ok || err != nil || !again.AsTime().Equal(at) {
		t.Errorf("%q is read as %v, %v, want %v", flags, again.AsTime(), err, at)
	}
	if flags := bounds(&acquitv1.ListPaymentsRequest{}); flags != "" {
		t.Errorf("without conditions: %q", flags)
	}
}

// TestElsewhere: money that moved without acquit is said so, and only then.
func TestElsewhere(t *testing.T) {
	euro := func(units int64) *acquitv1.Money { return &acquitv1.Money{MinorUnits: units, CurrencyCode: "EUR"} }
	for want, p := range map[string]*acquitv1.Payment{
		"":                                       {ExternalCaptured: euro(0), ExternalRefunded: euro(0)},
		"captured 0.05 EUR:":                     {ExternalCaptured: euro(5), ExternalRefunded: euro(0)},
		"captured 0.05 EUR, refunded 10.00 EUR:": {ExternalCaptured: euro(5), ExternalRefunded: euro(1000)},
	} {
		if got := elsewhere(p); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestAmountIsThatOfTheProvider: a part that was authorized is never shown as the
// whole, and a whole of which some was released since never as a part.
func TestAmountIsThatOfTheProvider(t *testing.T) {
	euro := func(units int64) *acquitv1.Money { return &acquitv1.Money{MinorUnits: units, CurrencyCode: "EUR"} }
	for _, c := range []struct {
		name                 string
		held, released       int64
		amount, authorizedAs string
	}{
		{"nothing yet", 0, 0, "10.00 EUR", "0.00 EUR"},
		{"the whole", 1000, 0, "10.00 EUR", "10.00 EUR"},
		{"the whole, some released", 700, 300, "10.00 EUR", "7.00 EUR"},
		{"the whole, all released", 0, 1000, "10.00 EUR", "0.00 EUR"},
		{"a part", 500, 0, "authorized 5.00 of 10.00 EUR", "5.00 of 10.00 EUR"},
		{"a part, some released", 200, 300, "authorized 5.00 of 10.00 EUR", "2.00 of 10.00 EUR"},
		{"a part, all released", 0, 500, "authorized 5.00 of 10.00 EUR", "0.00 EUR"},
	} {
		p := &acquitv1.Payment{Amount: euro(1000), Authorized: euro(c.held), Released: euro(c.released)}
		if got := amount(p); got != c.amount {
			t.Errorf("%s: amount %q, want %q", c.name, got, c.amount)
		}
		if got := authorized(p); got != c.authorizedAs {
			t.Errorf("%s: authorized %q, want %q", c.name, got, c.authorizedAs)
		}
	}
}
