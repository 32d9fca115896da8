package ledger

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// The kinds of record that keep what providers told.
const (
	kindEvent     = "event"
	kindAttention = "attention"
)

// Taken is an event that was taken in, as it is kept.
type Taken struct {
	payment.EventKey

	Operation payment.OperationKey `json:"operation,omitzero"` // that it moved; zero if none
	Boot      payment.BootID       `json:"boot"`               // that took it in
	Time      time.Time            `json:"time"`               // when it did
}

// EncodeTaken writes the record of an event that was taken in.
func EncodeTaken(t Taken) ([]byte, error) {
	if err := settleTimes([]*time.Time{&t.Time}); err != nil {
		return nil, fmt.Errorf("%w: event %q: %w", ErrRecord, t.ID, err)
	}
	if err := checkTaken(t); err != nil {
		return nil, err
	}
	return encode(kindEvent, t)
}

// DecodeTaken reads what EncodeTaken wrote. Errors: ErrSchema, ErrRecord.
func DecodeTaken(raw []byte) (Taken, error) {
	t, err := decode[Taken](kindEvent, raw)
	if err != nil {
		return Taken{}, err
	}
	if err := settleTimes([]*time.Time{&t.Time}); err != nil {
		return Taken{}, fmt.Errorf("%w: event %q: %w", ErrRecord, t.ID, err)
	}
	if err := checkTaken(t); err != nil {
		return Taken{}, err
	}
	return t, nil
}

func checkTaken(t Taken) error {
	if err := checkEventKey(t.EventKey); err != nil {
		return err
	}
	if t.Boot == "" {
		return fmt.Errorf("%w: event %q was taken in by nobody", ErrRecord, t.ID)
	}
	if t.Operation == (payment.OperationKey{}) {
		return nil
	}
	if err := t.Operation.Validate(); err != nil {
		return fmt.Errorf("%w: event %q: %w", ErrRecord, t.ID, err)
	}
	return nil
}

// checkEventKey refuses a name under which one event would pass for another.
func checkEventKey(k payment.EventKey) error {
	if k.Account == "" || k.ID == "" {
		return fmt.Errorf("%w: event %q of account %q", ErrRecord, k.ID, k.Account)
	}
	return nil
}

// EncodeAttention writes the record of what a person must look at: JSON, times
// in UTC. It refuses one that DecodeAttention would refuse.
func EncodeAttention(a payment.Attention) ([]byte, error) {
	a = cloneEvent(a)
	if err := settleTimes(attentionTimes(&a)); err != nil {
		return nil, fmt.Errorf("%w: attention %s: %w", ErrRecord, a.ID, err)
	}
	if err := checkAttention(a); err != nil {
		return nil, err
	}
	return encode(kindAttention, a)
}

// DecodeAttention reads what EncodeAttention wrote, as strictly as DecodeOperation.
// Errors: ErrSchema, ErrRecord.
func DecodeAttention(raw []byte) (payment.Attention, error) {
	a, err := decode[payment.Attention](kindAttention, raw)
	if err != nil {
		return payment.Attention{}, err
	}
	if err := settleTimes(attentionTimes(&a)); err != nil {
		return payment.Attention{}, fmt.Errorf("%w: attention %s: %w", ErrRecord, a.ID, err)
	}
	if err := checkAttention(a); err != nil {
		return payment.Attention{}, err
	}
	return a, nil
}

// checkAttention refuses what could not be found again, or not by those whom it
// concerns.
func checkAttention(a payment.Attention) error {
	if raw, err := hex.DecodeString(a.ID); err != nil || len(raw) != 16 || a.ID != strings.ToLower(a.ID) {
		return fmt.Errorf("%w: attention with id %q", ErrRecord, a.ID)
	}
	if err := a.Tenant.Validate(); a.Tenant != "" && err != nil {
		return fmt.Errorf("%w: attention %s: %w", ErrRecord, a.ID, err)
	}
	if a.Event != nil {
		if err := checkEventKey(a.Event.EventKey); err != nil {
			return fmt.Errorf("attention %s: %w", a.ID, err)
		}
	}
	switch a.Kind {
	case payment.AttentionOrphan, payment.AttentionContradiction, payment.AttentionSecondEffect, payment.AttentionUnfit, payment.AttentionStuck:
		return nil
	}
	return fmt.Errorf("%w: attention %s of kind %q", ErrRecord, a.ID, a.Kind)
}

// attentionTimes lists every time of an attention, to be changed in place.
func attentionTimes(a *payment.Attention) []*time.Time {
	all := []*time.Time{&a.Time}
	if a.Event == nil {
		return all
	}
	all = append(all, &a.Event.Time, &a.Event.Answer.ExpireTime)
	if a.Event.Outside != nil {
		all = append(all, &a.Event.Outside.Time)
	}
	return all
}

// cloneEvent keeps an encoding from altering its caller's record.
func cloneEvent(a payment.Attention) payment.Attention {
	if a.Event == nil {
		return a
	}
	event := *a.Event
	if event.Outside != nil {
		outside := *event.Outside
		event.Outside = &outside
	}
	a.Event = &event
	return a
}
