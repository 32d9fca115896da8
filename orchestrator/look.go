package orchestrator

import (
	"context"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// query looks the operation's object up. Only what settles it is believed: not
// found proves nothing, for a copy may still be on its way.
func (f *flight) query(ctx context.Context) (decision, error) {
	if d, told := f.parentTold(); told {
		return d, nil
	}
	if d, told := f.foretoldLook(); told {
		return d, nil
	}
	op := f.op()
	attempt := op.Current()
	account, configured := f.o.accounts[attempt.Account]
	if !configured {
		return decision{action: actionPark, reason: "the account is no longer configured"}, nil
	}
	if !account.Traits().Query {
		return decision{action: actionPark, reason: "the provider offers no look-up"}, nil
	}
	if !account.Traits().Finds(op.Method, attempt.ProviderReference) {
		return decision{action: actionPark, reason: "the provider's id of it is not known, so that it cannot be looked up"}, nil
	}
	if account.Target() != attempt.Target {
		// Elsewhere an object of the same name could be somebody else's.
		return decision{action: actionPark, reason: movedReason}, nil
	}
	ctx, span := f.o.tracer.Start(ctx, "payment.query", f.spanOptions(ctx, f.sends())...)
	defer span.End()
	ctx, cancel := context.WithTimeout(ctx, f.o.cfg.SendTimeout)
	defer cancel()
	answer, err := account.Query(ctx, f.question())
	if err != nil {
		span.RecordError(err)
		return decision{action: actionPark, reason: "the look-up failed"}, nil
	}
	if f.elsewhere(answer.Reference) {
		// Our reference is the same in every attempt: this is what an earlier one made.
		return decision{action: actionPark, reason: "the look-up showed another attempt's object"}, nil
	}
	verdict := f.judge(lookUp(op.State), &answer)
	d, err := f.decideLook(answer, verdict)
	if err != nil {
		return d, err
	}
	f.annotate(span, answer, verdict, d)
	f.alert(ctx, answer, verdict, d)
	return d, nil
}

// decideLook decides what follows from what a look-up showed.
func (f *flight) decideLook(a payment.Answer, v payment.Verdict) (decision, error) {
	switch v.Evidence {
	case payment.EvidencePending:
		switch {
		case f.op().Joint():
			return f.stillOpen(a, v), nil
		case v.Category == payment.CategoryAuthnRequired && a.NextAction == nil && f.op().Response == nil:
			// What is answered is answered for ever, and the shopper could never act: the
			// same request under its key brings what they are to do.
			return decision{action: actionPark, reason: "the look-up did not show what the shopper is to do"}, nil
		}
		fallthrough
	case payment.EvidenceEffect, payment.EvidenceNoEffectSticky:
		f.learn(a, v)
		return f.decide(a, v)
	case payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown:
	}
	return decision{action: actionPark, reason: "the look-up did not tell"}, nil
}

// lookUp is what a look-up is judged as. What a cancel may still change, or has
// been decided against, needs more proof.
func lookUp(s payment.State) payment.Method {
	if s == payment.StateFencing || s.Final() {
		return mapping.Fenced
	}
	return mapping.Query
}

// judge asks the table, and does not believe an effect in other money than was
// asked for.
func (f *flight) judge(m payment.Method, a *payment.Answer) payment.Verdict {
	v := f.o.cfg.Table.Judge(f.op().Current().Target.Driver, m, *a)
	strange := a.Amount != nil && (a.Amount.CurrencyCode != f.op().Amount.CurrencyCode || a.Amount.MinorUnits <= 0)
	if v.Evidence == payment.EvidenceEffect && strange {
		v.Evidence, v.Category, v.Failover, v.Alert = payment.EvidenceUnknown, payment.CategoryAmbiguous, false, true
	}
	if v.Evidence == payment.EvidenceEffect && a.Amount != nil && a.Amount.MinorUnits > f.op().Amount.MinorUnits {
		v.Alert = true // more than was asked for: the record shows what was asked, somebody must look
	}
	return v
}

// learn adds an answer to what is known about the open attempt.
func (f *flight) learn(a payment.Answer, v payment.Verdict) {
	f.report.Uncertain = f.report.Uncertain || v.Evidence == payment.EvidenceUnknown
	f.report.Stopped = f.report.Stopped || a.Hint == payment.HintStop
	f.report.Evidence, f.report.MappingRow = v.Evidence, v.Row
	f.report.HTTPStatus, f.report.Code, f.report.RequestID = a.HTTPStatus, a.Code, a.RequestID
	if a.Reference != "" {
		f.report.ProviderReference = a.Reference
	}
	f.report.NextAction = a.NextAction
}

// elsewhere reports whether an object was made by an earlier attempt.
func (f *flight) elsewhere(ref payment.ProviderReference) bool {
	earlier := f.op().Attempts[:len(f.op().Attempts)-1]
	return ref != "" && slices.ContainsFunc(earlier, func(a payment.Attempt) bool { return a.ProviderReference == ref })
}
