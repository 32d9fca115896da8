package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// CheckOwns refuses a claim or a takeover that comes with news. It is a bug of
// the caller, which every implementation refuses before it asks its store.
func CheckOwns(c Change) error {
	if c.News != (News{}) {
		return fmt.Errorf("ledger: news with a claim or takeover of operation %s", c.Operation.Key.ID)
	}
	return nil
}

// CheckNews refuses news that was told in two ways, or by what can be no orphan. It
// is a bug of the caller, as for CheckOwns.
func CheckNews(n News) error {
	if n.Orphan == "" {
		return nil
	}
	if raw, err := hex.DecodeString(n.Orphan); err != nil || len(raw) != 16 || n.Event != nil {
		return fmt.Errorf("ledger: news told by orphan %q and event %v", n.Orphan, n.Event)
	}
	return nil
}

// CheckParent refuses a change that brings another parent than its operation is one
// with, or a claim that does not join it. It is a bug of the caller, as for CheckOwns.
func CheckParent(s Snapshot, c Change) error {
	op, p := c.Operation, c.Parent
	switch {
	case p == nil && op.Joint() && s.Revision.Operation == 0:
		return fmt.Errorf("ledger: operation %s is claimed without its parent", op.Key.ID)
	case p == nil:
		return nil
	case !op.Joint() || p.Key != (payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Parent}) || p.PaymentID != op.PaymentID,
		s.Parent.Key != p.Key || s.Revision.Parent == 0:
		return fmt.Errorf("ledger: operation %s of %s is written with %s of %s, from a snapshot of %s", op.Key.ID, op.PaymentID, p.Key.ID, p.PaymentID, s.Parent.Key.ID)
	}
	return nil
}

// CheckRecord refuses what Record cannot mean: nothing at all, or another payment
// than the one that guards it. It is a bug of the caller, as for CheckOwns.
func CheckRecord(s Snapshot, p *payment.Payment, n News) error {
	if p == nil && n == (News{}) {
		return errors.New("ledger: nothing to record")
	}
	if p != nil && (s.Revision.Payment == 0 || p.ID != s.Payment.ID || p.Tenant != s.Payment.Tenant) {
		return fmt.Errorf("ledger: payment %s of %s is recorded from a snapshot of %q", p.ID, p.Tenant, s.Payment.ID)
	}
	return CheckNews(n)
}

// Recorded reports whether the payment now is what a Record of want made. It
// tells its own write from another's only if no event does: two processes that
// record the very same have nothing to tell apart.
func Recorded(want, now payment.Payment) bool {
	a, err := EncodePayment(want)
	if err != nil {
		return false
	}
	b, err := EncodePayment(now)
	return err == nil && bytes.Equal(a, b)
}
