//go:build linux

package faults

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// outage is a way for the ledger to be away.
type outage struct {
	name       string
	reason     string // of the refusal of a call that comes when the outage is known
	begin, end func(*testing.T, *ledgerProcess)
}

func outages() []outage {
	return []outage{
		{
			name: "paused", reason: "OUTCOME_PENDING", // it may have heard the claim
			begin: func(t *testing.T, l *ledgerProcess) { t.Helper(); l.pause(t) },
			end:   func(t *testing.T, l *ledgerProcess) { t.Helper(); l.proceed(t) },
		},
		{
			name: "killed", reason: "LEDGER_UNAVAILABLE",
			begin: func(t *testing.T, l *ledgerProcess) { t.Helper(); l.kill(t) },
			end:   func(t *testing.T, l *ledgerProcess) { t.Helper(); l.restart(t) },
		},
	}
}

// TestLedgerAwayBeforeTheClaim: without a record nothing is sent. The ledger
// stands still or is dead when a call comes; the caller is told so in time, the
// provider hears nothing, and when the ledger is back the same key works.
func TestLedgerAwayBeforeTheClaim(t *testing.T) {
	t.Parallel()
	for _, how := range outages() {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			s := c.serve(t, "serve", "")
			warm := intent{key: "warm", token: "tok_ok", amount: 1}
			s.insist(t, warm)

			how.begin(t, c.etcd)
			i := intent{key: "away-before", token: "tok_ok", amount: 1000}
			const limit = 8 * time.Second
			// The first claim may go out on a connection whose end has not been seen yet,
			// so it may have been heard for all the process knows.
			news := s.within(t, limit, i)
			if news.code() != codes.Unavailable || (news.reason() != how.reason && news.reason() != "OUTCOME_PENDING") || news.took >= limit {
				t.Errorf("%s, want %s or OUTCOME_PENDING within %s", news, how.reason, limit)
			}
			if a := s.within(t, limit, i); a.code() != codes.Unavailable || a.reason() != how.reason || a.took >= limit {
				t.Errorf("when the outage is no news: %s, want %s within %s", a, how.reason, limit)
			}
			c.sandbox.noRequest(t, i)
			how.end(t, c.etcd)

			began := time.Now()
			a := s.insist(t, i)
			t.Logf("last word %s after the outage: %s", time.Since(began).Round(time.Millisecond), a)
			if a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
				t.Errorf("after the outage: %s, want SUCCEEDED", a)
			}
			c.sandbox.oneEffect(t, i, [2]int{1, 1})
			c.sandbox.oneEffect(t, warm, [2]int{1, 1})
		})
	}
}

// TestLedgerBackAfterTheRefusal: nobody is told that nothing was sent who is
// charged afterwards. The ledger stands still for longer than the caller waits and
// for less than the process does: the claim may have been heard, so the caller is
// told to ask again, and the claim that was heard after all is carried out, once.
func TestLedgerBackAfterTheRefusal(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.serve(t, "serve", "")
	s.insist(t, intent{key: "warm", token: "tok_ok", amount: 1})

	c.etcd.pause(t)
	i := intent{key: "refused", token: "tok_ok", amount: 1000}
	if a := s.within(t, time.Second, i); a.code() != codes.Unavailable || a.reason() != "OUTCOME_PENDING" {
		t.Errorf("%s, want OUTCOME_PENDING", a)
	}
	c.sandbox.noRequest(t, i)
	c.etcd.proceed(t)
	c.sandbox.awaitEffect(t, i)
	s.awaitIdle(t)

	if a := s.insist(t, i); a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || !a.replayed {
		t.Errorf("the retry: %s, want SUCCEEDED, replayed", a)
	}
	c.sandbox.oneEffect(t, i, [2]int{1, 1})
}

// TestLedgerAwayAfterTheAnswer: an outcome that is not durable is not told. The
// provider's answer is held back until the effect exists and the ledger is away. The caller learns only that it has to ask again, and when the ledger is
// back gets the outcome, from whoever it asks.
//
// Shows R66.
func TestLedgerAwayAfterTheAnswer(t *testing.T) {
	t.Parallel()
	for _, how := range outages() {
		for _, at := range []struct {
			name  string
			crash bool // the process that has the answer dies in the outage
		}{{"", false}, {" and the owner killed", true}} {
			t.Run(how.name+at.name, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t).patient()
				owner, other := c.serve(t, "owner", ""), c.serve(t, "other", "")
				i := intent{key: "away-after", token: "tok_ok", amount: 1000}
				c.sandbox.hold()
				back := owner.begin(bounded(t, 15*time.Second), i)
				c.sandbox.awaitEffect(t, i)
				how.begin(t, c.etcd)
				c.sandbox.release()
				if a := <-back; a.code() != codes.Unavailable || a.reason() != "OUTCOME_PENDING" {
					t.Errorf("%s, want OUTCOME_PENDING", a)
				}
				asked := owner
				if at.crash {
					owner.kill(t)
					asked = other
				}
				how.end(t, c.etcd)

				got := asked.insist(t, i)
				if got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
					t.Errorf("after the outage: %s, want SUCCEEDED", got)
				}
				if a := other.insist(t, i); !bytes.Equal(a.raw, got.raw) {
					t.Errorf("the other process answers %x, want %x", a.raw, got.raw)
				}
				c.sandbox.oneEffect(t, i, [2]int{1, 2})
			})
		}
	}
}
