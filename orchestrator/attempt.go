package orchestrator

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/retry"
	"github.com/acquitpay/acquit/providers"
)

// drive sends, judges and decides until the operation has an outcome or must
// be left for later. One attempt is open at a time, and one send in the air.
func (f *flight) drive(ctx context.Context) error {
	if f.op().CallsOff() {
		return f.callOff(ctx)
	}
	if f.onlyLooks() {
		_, err := f.follow(ctx, decision{action: actionQuery, reason: "nothing is sent"})
		return err
	}
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

// overtaken looks, before a send that had to wait, whether somebody else has
// written the operation meanwhile: late news may have settled or halted it. A send
// right after a write of its own needs no look. Of a completion the authorization may
// have moved, which is no reason to stop by itself. A ledger that does not answer tells
// nothing: then the other checks before a send decide.
func (f *flight) overtaken(ctx context.Context) error {
	if f.fresh {
		return nil
	}
	snap, err := f.o.cfg.Ledger.Read(ctx, f.op().Key)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if snap.Revision.Operation == f.snap.Revision.Operation {
		f.snap = snap
		return nil
	}
	mine := f.op()
	f.snap = snap
	f.witness(ctx, mine)
	f.countSends(ctx, mine)
	return f.afterFence()
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
		return true, f.park(ctx, drainReason)
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

// send puts the attempt's request on the wire, if every check before it allows
// that, and decides what follows.
func (f *flight) send(ctx context.Context) (decision, error) {
	d, err := f.put(ctx, dispatch{step: payment.StepMain, next: f.decide})
	if err == nil && d.action == actionSettle {
		f.outcomeKnown()
	}
	f.publish()
	return d, err
}

// dispatch is one request that is to be sent.
type dispatch struct {
	step payment.StepName
	late bool // also when nobody waits for the authorization any more: it is going to be cancelled
	// next decides what follows from the answer.
	next func(payment.Answer, payment.Verdict) (decision, error)
}

// put sends a recorded step, if every check before it allows that, and has it
// decided what follows. It leaves one span for each request sent.
func (f *flight) put(ctx context.Context, r dispatch) (decision, error) {
	if !f.pause(f.notBefore) {
		return decision{action: actionPark, reason: drainReason}, nil
	}
	if err := f.overtaken(ctx); err != nil {
		return decision{}, err
	}
	f.o.cfg.Probe(ctx, payment.PointSendBeforeCheck)
	step, ok := f.op().Current().Step(r.step)
	if !ok {
		return decision{action: actionPark, reason: "the step was never recorded"}, nil
	}
	if d, blocked := f.blocked(ctx, r); blocked {
		return d, nil
	}
	f.o.cfg.Probe(ctx, payment.PointSendAfterCheck)

	about := f.sends()
	if !r.step.Fence() {
		about++ // a cancel is no send of the main request, but about the last one
	}
	ctx, span := f.o.tracer.Start(ctx, spanName(r.step), f.spanOptions(ctx, about)...)
	defer span.End()
	f.lastSend = span.SpanContext()
	started := f.o.cfg.Now()
	answer, verdict, err := f.transmit(ctx, step)
	if err != nil {
		span.SetName("payment.unsent")
		span.RecordError(err)
		span.SetStatus(codes.Error, "not sent")
		why := err
		answer, verdict, d, err := f.unsent(ctx, r, why)
		f.log().WarnContext(ctx, "request not sent", "error", why, "decision", string(d.action))
		f.annotate(span, answer, verdict, d)
		return d, err
	}
	f.report.Trace = traceOf(span.SpanContext())
	d, err := r.next(answer, verdict)
	if err != nil {
		return d, err
	}
	f.annotate(span, answer, verdict, d)
	f.count(ctx, answer, verdict, d, f.o.cfg.Now().Sub(started))
	return d, nil
}

const drainReason = "the server is shutting down"

func spanName(s payment.StepName) string {
	if s.Fence() {
		return "payment.fence"
	}
	return "payment.attempt"
}

// transmit sends a step and learns from the answer. Until the answer to the main
// step has been judged the attempt counts as uncertain, so that whatever
// interrupts it leaves it so. What is said to a cancel is about the cancel alone.
// An error means that nothing was sent.
func (f *flight) transmit(ctx context.Context, step payment.Step) (payment.Answer, payment.Verdict, error) {
	op := f.op()
	attempt := op.Current()
	f.fresh = false // an answer may take its time
	deadline := earlier(f.o.cfg.Now().Add(f.o.cfg.SendTimeout), attempt.Deadline)
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(f.o.cfg.Now()))
	defer cancel()

	if f.tries++; f.tries == 1 {
		f.o.budget.First(attempt.Account)
	}
	send := sendOf(attempt, step, op.Method, op.PaymentID, op.Amount, f.in)
	if step.Name.Fence() {
		answer, err := f.account().Send(ctx, send, step.RequestHash)
		if err != nil {
			return answer, payment.Verdict{}, err
		}
		if f.account().Traits().Fence == payment.FenceByReference { // by which it is told of the cancel later
			f.report.Cancel = payment.Cancel{Step: step.Name, Reference: answer.Reference}
		}
		return answer, f.judge(mapping.Fence, &answer), nil
	}
	before := f.report
	f.report.Uncertain = true
	f.report.Sends = f.sends() + 1
	answer, err := f.account().Send(ctx, send, step.RequestHash)
	if err != nil { // nothing left the process
		f.report = before
		return answer, payment.Verdict{}, err
	}
	if answer.Transport.Unsent() {
		f.report.Sends = before.Sends // tried, but not sent
	}
	// Judged under the doubt, so that a table that breaks leaves it standing.
	verdict := f.judge(op.Method, &answer)
	f.report.Uncertain = before.Uncertain
	if f.o.pauses.heard(attempt.Account, answer, verdict) {
		f.paused(ctx, attempt.Account, verdict)
	}
	f.learn(answer, verdict)
	return answer, verdict, nil
}

// unsent decides what follows when the guard refused to send. What could only not be
// signed is tried again and in the end judged like a provider that cannot be reached,
// since not a byte left either way; but once it is given up, somebody is told: the
// credentials may be at fault. While the authorization is being cancelled it is left for
// the next visit.
func (f *flight) unsent(ctx context.Context, r dispatch, why error) (payment.Answer, payment.Verdict, decision, error) {
	if !errors.Is(why, providers.ErrUnsigned) || r.step.Fence() || r.late {
		return payment.Answer{}, payment.Verdict{}, f.unmade(why), nil
	}
	answer := payment.Answer{Transport: payment.TransportNeverSent}
	verdict := f.judge(f.op().Method, &answer)
	f.learn(answer, verdict)
	d, err := r.next(answer, verdict)
	if err == nil && d.action != actionResend {
		verdict.Alert = true
		f.alert(ctx, answer, verdict, d)
	}
	return answer, verdict, d, err
}

// unmade decides what follows where the guard's refusal tells nothing that closes an
// attempt.
func (f *flight) unmade(why error) decision {
	if errors.Is(why, providers.ErrRequestChanged) {
		// A build of another version makes other bytes: it may look, not send.
		return decision{action: actionQuery, reason: "the request's bytes differ from the recorded ones"}
	}
	wait, again := f.o.cfg.Policy.Next(retry.Question{
		Sends: f.tries, Verdict: payment.Verdict{Resend: payment.ResendBackoff}, Transport: payment.TransportNeverSent,
		Now: f.o.cfg.Now(), Until: f.lastSendAt(f.op().Current()), Random: f.o.cfg.Random(),
	})
	if again {
		return decision{action: actionResend, wait: wait, reason: "the request could not be made"}
	}
	return decision{action: actionPark, reason: "the request could not be made"}
}

// op is the operation as last committed.
func (f *flight) op() payment.Operation { return f.snap.Operation }

// account is the open attempt's; nil if it is no longer configured.
func (f *flight) account() Account { return f.o.accounts[f.op().Current().Account] }

// sends is how often the open attempt's main request was sent, as far as is known.
func (f *flight) sends() int { return max(f.report.Sends, f.op().Current().Sends) }

// spanOptions say which send a request's span is about, and link it to the request
// before it: of this flight, or of another trace as the record has it.
func (f *flight) spanOptions(ctx context.Context, send int) []trace.SpanStartOption {
	opts := []trace.SpanStartOption{trace.WithAttributes(f.spanAttributes(send)...)}
	before := f.lastSend
	if !before.IsValid() {
		recorded, err := parseTrace(f.op().Current().Trace)
		if err != nil || recorded.TraceID() == trace.SpanContextFromContext(ctx).TraceID() {
			return opts // nobody's, or of the call that this is within
		}
		before = recorded
	}
	return append(opts, trace.WithLinks(trace.Link{SpanContext: before}))
}
