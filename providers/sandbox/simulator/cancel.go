package simulator

import (
	"net/http"
	"time"
)

// tokenOf is the token of the first authorization that has a reference; "" if there
// is none.
func (s *state) tokenOf(merchant, reference string) string {
	found := s.find(merchant, verbAuthorize, "", reference)
	if len(found) == 0 {
		return ""
	}
	return found[0].Token
}

// cancel does what a cancel asks for, or accepts it for later. The caller holds mu
// until the entries are written and applied, or given up: what was found must be
// what is cancelled.
func (s *state) cancel(c call, in order, t turn) deed {
	o := &object{ID: newID("cancel_"), Kind: KindCancel, Status: StatusPending, Reference: in.Reference, Merchant: c.merchant, Key: c.key}
	effects, after := s.cancelled(o, c.at, t.ordinal)
	d := deed{made: o, effects: effects}
	switch failure := effects[len(effects)-1].Failure; {
	case failure != "":
		d.status, d.answer = cancelFailure(*o, failure)
	case t.step.outcome == outcomePending:
		o.SettleAt, d.effects = c.at.Add(t.step.wait), nil
		d.status, d.answer = http.StatusAccepted, showAll(s.having(o.Merchant, o.Reference))
	default:
		d.status, d.answer = http.StatusOK, showAll(after)
	}
	return d
}

// cancelled is what a cancel does now: an entry for each authorization that it
// leaves holding nothing, or that of its failure; and the authorizations as they
// are afterwards. The caller holds mu.
func (s *state) cancelled(o *object, at time.Time, ordinal int) (effects []Entry, after []object) {
	entry := Entry{Kind: KindCancel, Time: at, Merchant: o.Merchant, Key: o.Key, Reference: o.Reference, Ordinal: ordinal, Object: o.ID}
	after = s.having(o.Merchant, o.Reference)
	for i := range after {
		a := &after[i]
		if a.Captured+a.capturing > 0 {
			continue
		}
		e := entry
		e.Parent, e.Amount, e.Currency = a.ID, a.releasable(), a.Currency
		a.cancel(e.Amount)
		effects = append(effects, e)
	}
	if len(effects) > 0 {
		return effects, after
	}
	entry.Kind, entry.Failure = KindFailed, FailureAlreadyCaptured
	if len(after) == 0 {
		entry.Failure = CodeNothingFound
	}
	return []Entry{entry}, after
}

// releasable is what a cancel releases: what is held and neither captured nor
// released, nor about to be by a void.
func (o *object) releasable() int64 {
	if o.Status != StatusAuthorized {
		return 0
	}
	return o.capturable() - o.Voided - o.voiding
}

// cancel ends an authorization of which nothing was captured.
func (o *object) cancel(released int64) {
	o.Voided += released
	if o.Status != StatusDeclined {
		o.Status, o.NextAction = StatusCancelled, nil
	}
}

// cancelFailure is the answer to a cancel that has failed.
func cancelFailure(o object, failure string) (status int, body []byte) {
	e := apiError{
		status: http.StatusUnprocessableEntity, Code: CodeFailed, FailureCode: failure, Reference: o.Reference,
		Message: "the cancel failed: " + failure,
	}
	if failure == CodeNothingFound {
		e.status, e.Code, e.FailureCode, e.Message = http.StatusNotFound, CodeNothingFound, "", "no authorization has the reference"
	}
	return e.status, e.body()
}

// showAll shows one object by itself and several as a list.
func showAll(objects []object) []byte {
	if len(objects) == 1 {
		return show(objects[0])
	}
	return show(map[string][]object{"data": objects})
}
