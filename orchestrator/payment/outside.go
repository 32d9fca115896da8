package payment

import (
	"fmt"
	"slices"
	"time"
)

// ExternalCaptured is what was captured beyond or beside what we asked for.
func (p Payment) ExternalCaptured() int64 { return p.ExcessCaptured + p.outside(OutsideCapture) }

// ExternalRefunded is what was refunded beyond or beside what we asked for.
func (p Payment) ExternalRefunded() int64 { return p.ExcessRefunded + p.outside(OutsideRefund) }

// Disputed is what the payer's bank has taken back.
func (p Payment) Disputed() int64 { return p.outside(OutsideDispute) }

// CapturedReversed is what the provider undid of captures, which Captured includes.
func (p Payment) CapturedReversed() int64 { return p.outside(OutsideCaptureReversal) }

// RefundedReversed is what the provider undid of refunds, which Refunded includes.
func (p Payment) RefundedReversed() int64 { return p.outside(OutsideRefundReversal) }

// WithOutside returns the payment with an effect that no operation of ours asked
// for (T8). Of what is told about one object the last in the provider's time
// counts, so the order and the number of tellings do not matter; what carries no
// time happened when it was told. changed is false if nothing is new. It may exceed
// the limits that our own operations keep: what happened is recorded, not clipped.
//
// Errors: ErrIllegalTransition for an effect that is not named or less than nothing.
func (p Payment) WithOutside(o Outside, at time.Time) (next Payment, changed bool, err error) {
	if o.Object == "" || o.Amount < 0 || !o.Kind.known() {
		return p, false, fmt.Errorf("%w: outside effect %q of kind %q and %d", ErrIllegalTransition, o.Object, o.Kind, o.Amount)
	}
	timed := !o.Time.IsZero()
	if !timed {
		o.Time = at
	}
	switch {
	case o.Kind.ends():
		return p.withEnd(o, at)
	case o.Kind == OutsideCapture && (p.AutoReserved > 0 || o.Amount > 0 && p.takes()):
		return p.takenBy(o).changed(at), true, nil
	case o.Kind == OutsideCapture && o.Object == p.AutoCapture:
		return p, false, nil
	}
	rows := slices.Clone(p.Outside)
	i := slices.IndexFunc(rows, func(r Outside) bool { return r.Object == o.Object && r.Kind == o.Kind })
	switch {
	case i < 0 && o.Kind == OutsideCapture && o.Amount == 0 && p.Authorized > 0:
		return p, false, nil // a capture that came to nothing, and that nobody waits for
	case i < 0:
		rows = append(rows, o)
	case o.Time.Before(rows[i].Time), rows[i].Amount == o.Amount && (!timed || o.Time.Equal(rows[i].Time)),
		rows[i].Amount == 0 && o.Time.Equal(rows[i].Time): // of one moment, what takes it back is the later
		return p, false, nil
	default:
		rows[i] = o
	}
	p.Outside = rows
	return p.changed(at), true, nil
}

// changed is the payment after something happened to it beside our operations.
func (p Payment) changed(at time.Time) Payment {
	p.Updated = at
	p.Version++
	if p.Captured > 0 || p.AutoCapture != "" {
		p.Status = p.settled()
	}
	return p
}

// takes reports whether the provider may yet capture by itself, though it told that its
// capture came to nothing, or that the hold has ended: it has not told of a capture, and
// there is something that it could be of.
func (p Payment) takes() bool {
	return p.CaptureMode == CaptureAutomatic && p.AutoCapture == "" && p.uncaptured() > 0
}

// uncaptured is what the provider's own capture may be of: what is held beyond captures
// of ours, and what was released only because the provider told that the hold has ended.
func (p Payment) uncaptured() int64 {
	left := p.Authorized - p.Captured - p.CaptureReserved
	if p.ended() {
		left += p.Released
	}
	return left
}

// takenBy takes in what is told of the provider's own capture: o is that, with how much it
// took. What is left of the hold can be captured. Where it came to nothing nobody waits
// for it any more, though it may be tried again. What was taken had not been released.
func (p Payment) takenBy(o Outside) Payment {
	p.CaptureReserved -= p.AutoReserved
	p.AutoReserved = 0
	if o.Amount == 0 {
		return p
	}
	taken := min(o.Amount, p.uncaptured())
	back := max(0, taken-(p.Authorized-p.Captured-p.CaptureReserved))
	p.Released -= back
	p.Authorized += back
	p.AutoCapture = o.Object
	p.Captured += taken
	p.ExcessCaptured += o.Amount - taken
	return p
}

// awaitCapture reserves what the provider is to capture by itself, unless it has
// told of that already: that it has captured counts more than that it has not.
func (p Payment) awaitCapture() Payment {
	p.AutoReserved = p.Authorized
	p.CaptureReserved += p.AutoReserved
	is := func(r Outside) bool { return r.Kind == OutsideCapture }
	early := slices.IndexFunc(p.Outside, func(r Outside) bool { return is(r) && r.Amount > 0 })
	if early < 0 {
		early = slices.IndexFunc(p.Outside, is)
	}
	if early < 0 {
		return p
	}
	p = p.takenBy(p.Outside[early])
	p.Outside = slices.Delete(slices.Clone(p.Outside), early, early+1)
	return p
}

// withEnd ends what is held: it is no more at the provider. A hold that we have
// ended is told of as well; that is no news. That of one that we are about to end is:
// our void may fail for that very reason. What an open capture
// reserves stays so until that ends, and is released then; what is told before the
// authorization is known to have succeeded counts when it is.
func (p Payment) withEnd(o Outside, at time.Time) (next Payment, changed bool, err error) {
	taken := p.Authorized > 0 && p.Captured >= p.Authorized
	if taken || p.Status == StatusVoided || p.ended() {
		return p, false, nil
	}
	p.Outside = append(slices.Clone(p.Outside), o)
	if p.Authorized > 0 {
		p = p.withoutHold()
		p.Status = p.settled()
		p.Unique = p.Unique && p.Status.Live()
	}
	return p.changed(at), true, nil
}

// ended reports whether the hold has ended at the provider.
func (p Payment) ended() bool {
	return slices.ContainsFunc(p.Outside, func(o Outside) bool { return o.Kind.ends() })
}

// withoutHold releases what nobody can capture any more: not the provider either.
func (p Payment) withoutHold() Payment {
	p.CaptureReserved -= p.AutoReserved
	p.AutoReserved = 0
	return p.releaseRest()
}

// ours drops what was taken for somebody else's before the operation was known
// to have made it.
func (p Payment) ours(op Operation) Payment {
	object := op.Current().ProviderReference
	if object == "" {
		return p
	}
	p.Outside = slices.DeleteFunc(slices.Clone(p.Outside), func(r Outside) bool {
		return r.Object == object && r.Kind.Ordinary()
	})
	if len(p.Outside) == 0 {
		p.Outside = nil
	}
	return p
}

// Beside finds what was told of an object before it was known to be an operation's of
// this method, if that is an effect.
func (p Payment) Beside(m Method, object ProviderReference) (Outside, bool) {
	var kind OutsideKind
	switch m {
	case MethodCapture:
		kind = OutsideCapture
	case MethodRefund:
		kind = OutsideRefund
	case MethodAuthorize, MethodVoid, MethodComplete: // no amount of theirs is told so
		return Outside{}, false
	}
	i := slices.IndexFunc(p.Outside, func(r Outside) bool { return r.Object == object && r.Kind == kind && r.Amount > 0 })
	if object == "" || i < 0 {
		return Outside{}, false
	}
	return p.Outside[i], true
}

// outside adds up the outside effects of a kind.
func (p Payment) outside(k OutsideKind) int64 {
	var sum int64
	for _, r := range p.Outside {
		if r.Kind == k {
			sum += r.Amount
		}
	}
	return sum
}

// returned is what went back to the payer, as asked for or not, and did not come back
// after all.
func (p Payment) returned() int64 {
	return max(0, p.Refunded+p.ExternalRefunded()-p.RefundedReversed())
}

// Ordinary reports whether an operation of ours could have had the same effect:
// then an object that one of them made is that operation's, not somebody else's.
func (k OutsideKind) Ordinary() bool {
	return k == OutsideCapture || k == OutsideRefund || k == OutsideVoid
}

// Undoes reports whether the provider took back what an operation had done.
func (k OutsideKind) Undoes() bool { return k == OutsideCaptureReversal || k == OutsideRefundReversal }

// ends reports whether it is the end of what was held.
func (k OutsideKind) ends() bool { return k == OutsideVoid || k == OutsideExpiry }

func (k OutsideKind) known() bool {
	switch k {
	case OutsideCapture, OutsideRefund, OutsideDispute, OutsideCaptureReversal, OutsideRefundReversal, OutsideVoid, OutsideExpiry:
		return true
	}
	return false
}
