package orchestrator

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/retry"
	"github.com/acquitpay/acquit/providers"
)

// drive sends, judges and decides until the operation has an outcome or must
// be left for later. One attempt is open at a time, and one send in the air.
func (f *flight) drive(ctx context.Context) error {
	for {
		d, err := f.send(ctx)
		if err != nil {
			return err
		}
		if ended, err := f.follow(ctx, d); ended || err != nil {
			return err
		}
	}
}

// follow does what was decided. It reports true when the flight has ended.
func (f *flight) follow(ctx context.Context, d decision) (bool, error) {
	switch d.action {
	case actionSettle:
		return true, f.settle(ctx, d)
	case actionFailOver:
		return false, f.failOver(ctx, d)
	case actionResend:
		if f.pause(f.o.cfg.Now().Add(d.wait)) {
			return false, nil
		}
		return true, f.park(ctx, "the server is shutting down")
	case actionQuery:
		found, err := f.query(ctx)
		if err != nil {
			return true, err
		}
		if found.action == actionPark {
			found.reason = d.reason + "; " + found.reason
		}
		return f.follow(ctx, found)
	case actionPark:
	}
	return true, f.park(ctx, d.reason)
}

// send puts one request on the wire, if every check before it allows that, and
// decides what follows. It leaves one span for each request sent.
func (f *flight) send(ctx context.Context) (decision, error) {
	if !f.pause(f.notBefore) {
		return decision{action: actionPark, reason: "the server is shutting down"}, nil
	}
	f.o.cfg.Probe(ctx, payment.PointSendBeforeCheck)
	if d, blocked := f.blocked(ctx); blocked {
		return d, nil
	}
	f.o.cfg.Probe(ctx, payment.PointSendAfterCheck)

	ctx, span := f.o.tracer.Start(ctx, "payment.attempt", f.spanOptions()...)
	defer span.End()
	f.lastSend = span.SpanContext()
	started := f.o.cfg.Now()
	answer, verdict, err := f.transmit(ctx)
	if err != nil {
		d := f.unsent(err)
		f.log().WarnContext(ctx, "request not sent", "error", err, "decision", string(d.action))
		span.SetName("payment.unsent")
		span.RecordError(err)
		f.annotate(span, payment.Answer{}, payment.Verdict{}, d)
		return d, nil
	}
	d, err := f.decide(answer, verdict)
	if err != nil {
		return d, err
	}
	f.annotate(span, answer, verdict, d)
	f.count(ctx, answer, verdict, d, f.o.cfg.Now().Sub(started))
	if d.action == actionSettle {
		f.outcomeKnown()
	}
	f.publish()
	return d, nil
}

// transmit sends the recorded step and learns from the answer. Until it has
// been judged the attempt counts as uncertain, so that whatever interrupts it
// leaves it so. An error means that nothing was sent.
func (f *flight) transmit(ctx context.Context) (payment.Answer, payment.Verdict, error) {
	op := f.op()
	attempt := op.Current()
	step, ok := attempt.Step(payment.StepMain)
	if !ok {
		return payment.Answer{}, payment.Verdict{}, errors.New("the attempt has no recorded step")
	}
	deadline := earlier(f.o.cfg.Now().Add(f.o.cfg.SendTimeout), attempt.Deadline)
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(f.o.cfg.Now()))
	defer cancel()

	if f.tries++; f.tries == 1 {
		f.o.budget.First(attempt.Account)
	}
	before := f.report
	f.report.Uncertain = true
	f.report.Sends = max(f.report.Sends, attempt.Sends) + 1
	send := sendOf(attempt, step, op.Method, op.PaymentID, op.Amount, f.in)
	answer, err := f.account().Send(ctx, send, step.RequestHash)
	if err != nil { // nothing left the process
		f.report = before
		return answer, payment.Verdict{}, err
	}
	if answer.Transport == payment.TransportNeverSent {
		f.report.Sends = before.Sends // tried, but not sent
	}
	// Judged under the doubt, so that a table that breaks leaves it standing.
	verdict := f.judge(op.Method, &answer)
	f.report.Uncertain = before.Uncertain
	f.learn(answer, verdict)
	return answer, verdict, nil
}

// blocked makes the checks that stand before every send. Each of them keeps a
// late, changed or misdirected copy of the request from going out.
func (f *flight) blocked(ctx context.Context) (decision, bool) {
	op, now := f.op(), f.o.cfg.Now()
	attempt := op.Current()
	account, configured := f.o.accounts[attempt.Account]
	switch {
	case op.State != payment.StateIntent:
		return decision{action: actionPark, reason: "the operation is no longer an intent"}, true
	case !configured:
		return decision{action: actionPark, reason: "the account is no longer configured"}, true
	case !now.Before(attempt.ResendNotAfter):
		// The provider may have forgotten the key: the same request could be a second effect.
		return decision{action: actionQuery, reason: "the resend window is closed"}, true
	case account.Target() != attempt.Target:
		return decision{action: actionPark, reason: movedReason}, true
	case account.Credential() != attempt.Credential && account.Traits().KeyScope != payment.KeyScopeAccount:
		// Under another credential the key may be new to the provider.
		return decision{action: actionQuery, reason: "the credential was replaced since the intent"}, true
	case op.Method == payment.MethodAuthorize && !now.Before(op.ResolveBy):
		// Nobody waits for it any more: a late charge would surprise the payer.
		return decision{action: actionQuery, reason: "too late to complete the authorization"}, true
	case !now.Before(attempt.Deadline):
		return decision{action: actionQuery, reason: "the attempt's time is used up"}, true
	}
	// Last, so that nothing but the send comes after it.
	hold, cancel := context.WithTimeout(ctx, f.o.cfg.SessionMargin)
	defer cancel()
	if err := f.o.cfg.Ledger.Hold(hold, f.o.cfg.SessionMargin); err != nil {
		f.log().WarnContext(ctx, "no send without a live session", "error", err)
		if wait := time.Second; now.Add(wait).Before(attempt.Deadline) {
			return decision{action: actionResend, wait: wait, reason: "no live session"}, true
		}
		return decision{action: actionPark, reason: "no live session"}, true
	}
	return decision{}, false
}

const movedReason = "the account's target has changed since the intent"

// unsent decides what follows when the guard refused to send.
func (f *flight) unsent(err error) decision {
	if errors.Is(err, providers.ErrRequestChanged) {
		// A build of another version makes other bytes: it may look, not send.
		return decision{action: actionQuery, reason: "the request's bytes differ from the recorded ones"}
	}
	wait, again := f.o.cfg.Policy.Next(retry.Question{
		Sends: f.tries, Verdict: payment.Verdict{Resend: payment.ResendBackoff}, Transport: payment.TransportNeverSent,
		Now: f.o.cfg.Now(), Until: f.lastSendAt(f.op().Current()), Random: f.o.cfg.Random(),
	})
	if again {
		return decision{action: actionResend, wait: wait, reason: "the request could not be signed"}
	}
	return decision{action: actionPark, reason: "the request could not be signed"}
}

// query looks the operation's object up. Only what settles it is believed: not
// found proves nothing, for a copy may still be on its way.
func (f *flight) query(ctx context.Context) (decision, error) {
	op := f.op()
	attempt := op.Current()
	account, configured := f.o.accounts[attempt.Account]
	if !configured || !account.Traits().Query {
		return decision{action: actionPark, reason: "the provider offers no look-up"}, nil
	}
	if account.Target() != attempt.Target {
		// Elsewhere an object of the same name could be somebody else's.
		return decision{action: actionPark, reason: movedReason}, nil
	}
	ctx, span := f.o.tracer.Start(ctx, "payment.query", f.spanOptions()...)
	defer span.End()
	ctx, cancel := context.WithTimeout(ctx, f.o.cfg.SendTimeout)
	defer cancel()
	step, _ := attempt.Step(payment.StepMain)
	question := sendOf(attempt, step, op.Method, op.PaymentID, op.Amount, f.in)
	question.ProviderReference = attempt.ProviderReference
	answer, err := account.Query(ctx, question)
	if err != nil {
		span.RecordError(err)
		return decision{action: actionPark, reason: "the look-up failed"}, nil
	}
	if f.elsewhere(answer.Reference) {
		// Our reference is the same in every attempt: this is what an earlier one made.
		return decision{action: actionPark, reason: "the look-up showed another attempt's object"}, nil
	}
	verdict := f.judge(mapping.Query, &answer)
	d := decision{action: actionPark, reason: "the look-up did not tell"}
	switch verdict.Evidence {
	case payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky:
		f.learn(answer, verdict)
		if d, err = f.decide(answer, verdict); err != nil {
			return d, err
		}
	case payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown:
	}
	f.annotate(span, answer, verdict, d)
	f.alert(ctx, answer, verdict, d)
	return d, nil
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
	f.report.Evidence, f.report.MappingRow = v.Evidence, v.Row
	f.report.HTTPStatus, f.report.Code, f.report.RequestID = a.HTTPStatus, a.Code, a.RequestID
	if a.Reference != "" {
		f.report.ProviderReference = a.Reference
	}
	f.report.NextAction = a.NextAction
}

// op is the operation as last committed.
func (f *flight) op() payment.Operation { return f.snap.Operation }

// account is the open attempt's; blocked has seen that it is configured.
func (f *flight) account() Account { return f.o.accounts[f.op().Current().Account] }

// spanOptions say what a request's span is about, and link it to the request
// before it.
func (f *flight) spanOptions() []trace.SpanStartOption {
	opts := []trace.SpanStartOption{trace.WithAttributes(f.spanAttributes()...)}
	if f.lastSend.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: f.lastSend}))
	}
	return opts
}

// elsewhere reports whether an object was made by an earlier attempt.
func (f *flight) elsewhere(ref payment.ProviderReference) bool {
	earlier := f.op().Attempts[:len(f.op().Attempts)-1]
	return ref != "" && slices.ContainsFunc(earlier, func(a payment.Attempt) bool { return a.ProviderReference == ref })
}
