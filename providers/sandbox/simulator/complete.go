package simulator

import (
	"fmt"
	"net/http"
	"time"
)

// ResultParameter is the parameter of a completion in which the shopper brings back
// what became of the action: the name of a step, as in result=decline. Without one the
// shopper brings nothing, and the authorization stays as it is.
const ResultParameter = "result"

// completeSteps are what a shopper can bring back.
func completeSteps() []Token {
	return append([]Token{
		{"approve", "authorizes, or captures where that was asked for", answered(outcomeEffect)},
		{"decline", "declines; the decline is stored", step{outcome: outcomeDecline, delivery: deliverAnswer, code: "authentication_required"}},
		{"pending", "accepts; authorizes after a while (2s), which a look-up shows", answered(outcomePending).after(soon)},
		{"again", "requires another action", answered(outcomeAction)},
	}, faults()...)
}

// completable refuses a completion of what the merchant does not have, and returns the
// token of what it has.
func (s *state) completable(c call) (token string, refused *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.objects[c.parent]
	if a == nil || a.Merchant != c.merchant || a.Kind != verbAuthorize {
		return "", &apiError{status: http.StatusNotFound, Code: CodeNoSuchAuthorization, Message: "no such authorization"}
	}
	return a.Token, nil
}

// result is the script that the shopper's result asks for, unless the token writes the
// verb.
func (s *Simulator) result(in order) ([]script, *apiError) {
	name, ok := in.Parameters[ResultParameter]
	if !ok {
		return []script{{steps: []step{answered(outcomeStay)}}}, nil
	}
	r, err := s.grammar.script(KindComplete, name)
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: fmt.Sprintf("parameter %s: %v", ResultParameter, err)}
	}
	return []script{r}, nil
}

// complete does what a completion asks for, if its authorization still waits for that,
// and answers with the authorization as it is then. The caller holds mu until the
// entries are written and applied, or given up.
func (s *state) complete(c call, in order, t turn) deed {
	a := s.objects[c.parent] // completable has found it, and nothing is ever removed
	o := &object{
		ID: newID("completion_"), Kind: KindComplete, Status: StatusSucceeded, Amount: a.Amount, Currency: a.Currency,
		Reference: in.Reference, Parent: a.ID, Merchant: c.merchant, Key: c.key,
	}
	d := deed{made: o}
	after := *a
	if a.Status == StatusRequiresAction {
		entry := o.effect(c.at, t.ordinal)
		entry.Outcome, entry.Failure = t.step.outcome, t.step.code
		d.effects = []Entry{entry}
		after.completed(entry)
		switch t.step.outcome {
		case outcomeEffect:
			after.authorize()
			d.effects = append(d.effects, a.effect(c.at, t.ordinal))
		case outcomePending:
			o.Status, o.SettleAt = StatusPending, c.at.Add(t.step.wait)
		case outcomeNone, outcomePartial, outcomeDecline, outcomeAction, outcomeFail, outcomePendingFail, outcomeStay:
		}
	}
	d.status, d.answer = answerOf(after)
	return d
}

// completed is what a completion makes of its authorization, effects apart.
func (o *object) completed(e Entry) {
	switch e.Outcome {
	case outcomeDecline:
		o.Status, o.DeclineCode, o.NextAction = StatusDeclined, e.Failure, nil
	case outcomePending:
		o.Status, o.NextAction = StatusPending, nil
	case outcomeAction:
		if o.NextAction != nil {
			next := *o.NextAction
			next.URL += "?again"
			o.NextAction = &next
		}
	case outcomeEffect, outcomeNone, outcomePartial, outcomeFail, outcomePendingFail, outcomeStay:
	}
}

// goneOn applies the entry of a completion. The caller holds mu, or is alone.
func (s *state) goneOn(e Entry) {
	if a := s.objects[e.Parent]; a != nil {
		a.completed(e)
	}
	if o := s.objects[e.Object]; o != nil && e.Outcome != outcomePending {
		o.Status = StatusSucceeded
	}
}

// endCompletion is how a pending completion ends: its authorization has its effect,
// unless it was cancelled meanwhile.
func (s *state) endCompletion(o *object, at time.Time) []Entry {
	done := o.effect(at, 0)
	done.Outcome = outcomeEffect
	a := s.objects[o.Parent]
	if a.Status != StatusPending {
		return []Entry{done}
	}
	return []Entry{done, a.effect(at, 0)}
}
