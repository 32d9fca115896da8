package payment

import (
	"fmt"
	"slices"
	"time"
)

// Reservation is what an operation takes of its payment when it is claimed, and
// gives back or posts when it is final.
type Reservation struct {
	Amount Money // to ask the provider for
	Held   int64 // reserved on the payment; a last capture reserves the whole rest
	Last   bool  // the rest of the hold is released when the capture succeeds
}

// Capturable is what may still be captured.
func (p Payment) Capturable() int64 {
	if p.Voiding != "" {
		return 0
	}
	return max(0, p.Authorized-p.Captured-p.CaptureReserved)
}

// Refundable is what may still be refunded. What went back without us is not
// there any more, and what came back after all is.
func (p Payment) Refundable() int64 {
	gone := p.returned() + p.outside(OutsideDispute) + p.CapturedReversed()
	return max(0, p.Captured-p.RefundReserved-gone)
}

// Reserve returns the payment with op's part of it reserved, or why the payment
// does not allow it. An unknown or pending outcome keeps its reservation, so
// captures never add up to more than was authorized, nor refunds to more than
// was captured, however many run at once.
//
// Errors: *Error with ReasonParentUnknown while it is not known what there is to
// act on; ReasonNotCapturable, ReasonNotRefundable, ReasonNotVoidable, ReasonNotCompletable;
// ReasonExceedsAuthorized, ReasonExceedsCaptured; ReasonCurrencyMismatch.
func (p Payment) Reserve(call Call, o Order, t Traits, at time.Time) (Payment, Reservation, error) {
	if err := p.allows(call.Method, o); err != nil {
		return p, Reservation{}, err
	}
	p.Operations = append(slices.Clone(p.Operations), call.OperationKey().ID)
	p.Version++
	p.Updated = at
	r := Reservation{Amount: Money{CurrencyCode: p.Amount.CurrencyCode}}
	if o.Amount != nil {
		r.Amount = *o.Amount
	}
	switch call.Method {
	case MethodCapture:
		if o.Amount == nil {
			r.Amount.MinorUnits = p.Capturable()
		}
		r.Held, r.Last = r.Amount.MinorUnits, o.Last || !t.MultipleCaptures
		if r.Last {
			r.Held = p.Capturable()
		}
		p.CaptureReserved += r.Held
	case MethodRefund:
		if o.Amount == nil {
			r.Amount.MinorUnits = p.Refundable()
		}
		r.Held = r.Amount.MinorUnits
		p.RefundReserved += r.Held
	case MethodVoid:
		r.Amount.MinorUnits = p.Capturable()
		if p.Unsettled() {
			r.Amount = p.Amount // which is not held yet, and is not to be
		}
		p.Voiding = call.OperationKey().ID
	case MethodComplete:
		r.Amount = p.Amount // its parent's; it holds nothing of its own
	case MethodAuthorize:
	}
	return p, r, nil
}

// allows says whether the payment's status and amounts allow an order.
func (p Payment) allows(m Method, o Order) error {
	left, none, exceeds := int64(0), ReasonNotVoidable, ReasonNotVoidable
	switch m {
	case MethodCapture:
		left, none, exceeds = p.Capturable(), ReasonNotCapturable, ReasonExceedsAuthorized
	case MethodRefund:
		left, none, exceeds = p.Refundable(), ReasonNotRefundable, ReasonExceedsCaptured
	case MethodVoid:
		if p.Voiding != "" {
			return &Error{Reason: none, Message: "another void of the payment is open"}
		}
		if p.Unsettled() {
			return nil
		}
		if p.CaptureReserved == 0 {
			left = p.Capturable()
		}
	case MethodComplete:
		if p.Status == StatusRequiresAction {
			return nil
		}
		none = ReasonNotCompletable
	case MethodAuthorize:
		return fmt.Errorf("%w: %s reserves nothing on a payment", ErrIllegalTransition, m)
	}
	switch {
	case o.Amount != nil && o.Amount.CurrencyCode != p.Amount.CurrencyCode:
		return &Error{
			Reason: ReasonCurrencyMismatch, Field: "amount.currency_code",
			Message: fmt.Sprintf("the payment is in %s", p.Amount.CurrencyCode),
		}
	case p.Status == StatusAuthorizing || p.Status == StatusUnknown:
		return &Error{
			Reason: ReasonParentUnknown, RetryAfter: time.Second,
			Message: "the outcome of the authorization is not known yet; try again with the same key",
		}
	case left == 0 && m == MethodRefund && p.CaptureReserved > 0:
		return &Error{
			Reason: ReasonParentUnknown, RetryAfter: time.Second,
			Message: "the outcome of a capture is not known yet; try again with the same key",
		}
	case left == 0 && (o.Amount == nil || m == MethodVoid || !p.everHad(m)):
		return &Error{Reason: none, Message: p.lacks(m)}
	case o.Amount != nil && o.Amount.MinorUnits > left:
		return &Error{
			Reason: exceeds, Field: "amount.minor_units",
			Message: fmt.Sprintf("%s is more than the %s left", o.Amount, Money{left, p.Amount.CurrencyCode}),
		}
	}
	return nil
}

// Unsettled reports whether the provider knows the authorization and has not ended it,
// so that nothing is held yet and it can only be called off.
func (p Payment) Unsettled() bool {
	return p.Status == StatusRequiresAction || p.Status == StatusPending
}

// lacks says why a payment does not allow a method at all.
func (p Payment) lacks(m Method) string {
	if m == MethodComplete {
		return fmt.Sprintf("the payment is %s and does not wait for the shopper", p.Status)
	}
	return fmt.Sprintf("the payment is %s with nothing left for a %s", p.Status, m)
}

// everHad reports whether there was something that a method could act on, so
// that asking for too much is told from asking in vain.
func (p Payment) everHad(m Method) bool {
	if m == MethodRefund {
		return p.Captured > 0
	}
	return p.Authorized > 0 && p.Voiding == "" && (p.Status == StatusAuthorized || p.Status == StatusPartiallyCaptured)
}

// Touches reports whether the payment changes when its operation moves from
// before: every new state and attempt of an authorization shows in it, of the
// others only a final one. What a completion does with its parent shows besides.
func (op Operation) Touches(before Operation) bool {
	moved := op.State != before.State || len(op.Attempts) != len(before.Attempts)
	return op.State.Final() || (op.Method == MethodAuthorize && moved)
}

// After returns the payment once its operation stands as op. applied is what the
// provider did; it is read only when op succeeded. It is pure and leaves p alone.
//
// A reservation is given back only by a final state. What the provider applied
// is posted, up to what was asked for; what goes beyond is external.
//
// A payment that lives no more gives up its merchant reference.
func (p Payment) After(op Operation, applied Applied, at time.Time) (Payment, error) {
	next, err := p.after(op, applied, at)
	next.Unique = next.Unique && next.Status.Live()
	return next, err
}

func (p Payment) after(op Operation, applied Applied, at time.Time) (Payment, error) {
	p.Version++
	p.Updated = at
	if op.Joint() { // what it does to the payment, its parent shows
		if op.State.Final() && p.Voiding == op.Key.ID {
			p.Voiding = ""
		}
		return p, nil
	}
	done := op.State == StateSucceeded
	if done && (applied.Amount.CurrencyCode != p.Amount.CurrencyCode || applied.Amount.MinorUnits <= 0) {
		return p, fmt.Errorf("%w: %s applied to a payment of %s", ErrIllegalTransition, applied.Amount, p.Amount)
	}
	posted := min(applied.Amount.MinorUnits, op.Amount.MinorUnits)
	switch op.Method {
	case MethodAuthorize:
		return p.afterAuthorize(op, applied), nil
	case MethodCapture:
		if !op.State.Final() {
			return p, nil
		}
		p.CaptureReserved -= op.Held
		if done {
			p.Captured += posted
			p = p.ours(op)
			p.ExcessCaptured += applied.Amount.MinorUnits - posted
			if op.Last {
				p = p.releaseRest()
			}
		}
	case MethodRefund:
		if !op.State.Final() {
			return p, nil
		}
		p.RefundReserved -= op.Held
		if done {
			p.Refunded += posted
			p = p.ours(op)
			p.ExcessRefunded += applied.Amount.MinorUnits - posted
		}
	case MethodVoid:
		if !op.State.Final() {
			return p, nil
		}
		p.Voiding = ""
		if done {
			p = p.releaseRest()
		}
	case MethodComplete:
	}
	if p.CaptureReserved < 0 || p.RefundReserved < 0 {
		return p, fmt.Errorf("%w: operation %s gives back what it does not hold", ErrIllegalTransition, op.Key.ID)
	}
	if op.Method == MethodCapture && p.ended() {
		p = p.withoutHold()
	}
	p.Status = p.settled()
	return p, nil
}

// releaseRest ends the hold: what is neither captured nor part of a capture that
// is still open is the payer's again.
func (p Payment) releaseRest() Payment {
	kept := p.Captured + p.CaptureReserved
	p.Released += p.Authorized - kept
	p.Authorized = kept
	return p
}

// settled is the status that the posted amounts make, less what the provider undid.
func (p Payment) settled() Status {
	kept := max(0, p.Captured-p.CapturedReversed())
	switch {
	case p.Captured == 0 && p.Authorized == 0 && slices.ContainsFunc(p.Outside, func(o Outside) bool { return o.Kind == OutsideExpiry }):
		return StatusExpired
	case p.Captured == 0 && p.Authorized == 0:
		return StatusVoided
	case p.Captured == 0, kept == 0 && p.returned() == 0:
		return StatusAuthorized
	case p.returned() >= kept:
		return StatusRefunded
	case p.returned() > 0:
		return StatusPartiallyRefunded
	case kept < p.Authorized:
		return StatusPartiallyCaptured
	}
	return StatusCaptured
}

// afterAuthorize shows where the authorization stands. A partial authorization
// authorizes what it says.
func (p Payment) afterAuthorize(op Operation, applied Applied) Payment {
	attempt := op.Current()
	p.Account, p.Environment = attempt.Account, attempt.Target.Environment
	p.ProviderReference, p.NextAction = attempt.ProviderReference, nil
	switch op.State {
	case StateIntent:
		p.Status = StatusAuthorizing
	case StateUnknown, StateFencing:
		p.Status = StatusUnknown
	case StatePending:
		p.Status = StatusPending
	case StateRequiresAction:
		p.Status, p.NextAction = StatusRequiresAction, attempt.NextAction
	case StateDeclined:
		p.Status = StatusDeclined
	case StateFailed:
		p.Status = StatusFailed
	case StateSucceeded:
		p.Authorized, p.ExpireTime = applied.Amount.MinorUnits, applied.ExpireTime
		switch {
		case applied.Captured:
			p.Captured = p.Authorized
		case p.CaptureMode == CaptureAutomatic:
			p = p.awaitCapture()
		}
		if p.ended() {
			p = p.withoutHold()
		}
		p.Status = p.settled()
	}
	return p
}
