package simulator

import (
	"fmt"
	"net/http"
)

// The statuses of a capture, refund or void, besides pending.
const (
	StatusSucceeded = "succeeded"
	StatusFailed    = "failed"
)

// The failure codes of a capture, refund or void, besides the names of the steps
// that fail: capture_failed, refund_failed, void_failed.
const (
	FailureInsufficientHold = "insufficient_hold"
	FailureAlreadyCaptured  = "already_captured"
	FailureAlreadyVoided    = "already_voided"
	FailureCapturePending   = "capture_pending"
	FailureNothingToRefund  = "nothing_to_refund"
	FailureExceedsCaptured  = "exceeds_captured"
)

// acceptable refuses a call that no authorization of the merchant can take, and
// returns the token of the one that can. What was cancelled is acted on, in vain.
func (s *state) acceptable(c call, in order) (token string, refused *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.objects[c.parent]
	switch {
	case a == nil || a.Merchant != c.merchant || a.Kind != verbAuthorize:
		return "", &apiError{status: http.StatusNotFound, Code: CodeNoSuchAuthorization, Message: "no such authorization"}
	case a.Status != StatusAuthorized && a.Status != StatusCaptured && a.Status != StatusCancelled:
		return "", &apiError{status: http.StatusConflict, Code: CodeNothingHeld, Message: "the authorization is " + a.Status}
	case c.verb != KindVoid && in.Currency != a.Currency:
		return "", &apiError{
			status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: fmt.Sprintf("the authorization is in %s", a.Currency),
		}
	}
	return a.Token, nil
}

// move builds the capture, refund or void that a step asks for. Unless it has
// failed, its amount is reserved on the authorization from here on, so that no
// other can have it while this one is on its way to the log, or pending. The caller
// holds mu.
func (s *state) move(c call, in order, st step) *object {
	parent := s.objects[c.parent] // acceptable has found it, and nothing is ever removed
	o := &object{
		ID: newID(string(c.verb) + "_"), Kind: c.verb, Status: StatusSucceeded, Amount: in.Amount, Currency: parent.Currency,
		Reference: in.Reference, Reason: in.Reason, Parent: c.parent, Merchant: c.merchant, Key: c.key,
	}
	if c.verb == KindVoid {
		o.Amount = parent.capturable()
	}
	if o.FailureCode = parent.refuses(c.verb, o.Amount); o.FailureCode != "" {
		o.Status = StatusFailed
		return o
	}
	switch st.outcome {
	case outcomePartial:
		o.Amount = max(1, o.Amount/2)
	case outcomeFail:
		o.Status, o.FailureCode = StatusFailed, string(c.verb)+"_failed"
		return o
	case outcomePending, outcomePendingFail:
		o.Status, o.SettleAt = StatusPending, c.at.Add(st.wait)
		if st.outcome == outcomePendingFail {
			o.Failure = string(c.verb) + "_failed"
		}
	case outcomeEffect, outcomeNone, outcomeDecline, outcomeAction, outcomeStay:
	}
	s.reserve(o)
	return o
}

// capturable is what is held and neither captured nor about to be.
func (o *object) capturable() int64 { return o.Amount - o.Captured - o.capturing }

// refundable is what was captured and neither refunded nor about to be.
func (o *object) refundable() int64 { return o.Captured - o.Refunded - o.refunding }

// refuses says which rule the authorization has against an amount; "" if none.
func (o *object) refuses(verb Kind, amount int64) string {
	switch {
	case verb == KindRefund && o.refundable() == 0:
		return FailureNothingToRefund
	case verb == KindRefund && amount > o.refundable():
		return FailureExceedsCaptured
	case verb == KindRefund:
		return ""
	case o.Voided+o.voiding > 0 || o.Status == StatusCancelled:
		return FailureAlreadyVoided
	case verb == KindVoid && o.capturing > 0:
		return FailureCapturePending
	case o.capturable() == 0:
		return FailureAlreadyCaptured
	case amount > o.capturable():
		return FailureInsufficientHold
	}
	return ""
}

// reserve keeps the amount of a capture, refund or void on its authorization for
// it; other objects need none. The caller holds mu, or is alone.
func (s *state) reserve(o *object) {
	if parent := s.objects[o.Parent]; parent != nil {
		parent.tally(o.Kind, o.Amount, 0)
	}
}

// conclude gives an object that was accepted its effect, or its failure if there
// is one. The caller holds mu, or is alone.
func (s *state) conclude(o *object, failure string) {
	done := o.Amount
	switch {
	case o.Kind == verbAuthorize:
		o.authorize()
	case failure != "":
		o.Status, o.FailureCode, done = StatusFailed, failure, 0
	default:
		o.Status = StatusSucceeded
	}
	if parent := s.objects[o.Parent]; parent != nil {
		parent.tally(o.Kind, -o.Amount, done)
	}
}

// tally adds to what is reserved on an authorization for a verb, and to what it
// has done.
func (o *object) tally(verb Kind, reserved, done int64) {
	switch verb {
	case KindCapture:
		o.capturing, o.Captured = o.capturing+reserved, o.Captured+done
	case KindRefund:
		o.refunding, o.Refunded = o.refunding+reserved, o.Refunded+done
	case KindVoid:
		o.voiding, o.Voided = o.voiding+reserved, o.Voided+done
	case verbAuthorize, KindCancel, KindComplete, KindRequest, KindQuery, KindEffect, KindFailed, KindStored, KindDelayed:
	}
}

// abandon gives back what was reserved for an object that never came to be. The
// caller holds mu.
func (s *state) abandon(o *object) {
	if o != nil && o.Kind != verbAuthorize && o.Status != StatusFailed {
		s.conclude(o, "log_failed")
	}
}
