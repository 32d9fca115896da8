package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Taken says what became of an event.
type Taken string

// What becomes of events.
const (
	TakenSettled    Taken = "settled"    // it settled its operation, or moved it on
	TakenNoted      Taken = "noted"      // it added to what is known, or told nothing new
	TakenDue        Taken = "due"        // it told only that its object changed: the operation is looked up at once
	TakenOutside    Taken = "outside"    // it changed what happened to the payment beside our operations
	TakenDuplicate  Taken = "duplicate"  // it was taken in before
	TakenOrphan     Taken = "orphan"     // it is about nothing that we know: kept for a person
	TakenContradict Taken = "contradict" // it contradicts what is on record: kept for a person
	TakenUnfit      Taken = "unfit"      // it makes no sense to us: kept for a person
)

// eventTries bounds how often one event follows records that others move.
const eventTries = 16

// Apply takes in what a provider told unasked (T6, T8), once per event id. The
// caller has verified that it is authentic. When Apply returns without an error,
// what it says is durable: it settles the operation that it is about as an answer
// would, whoever owns that now, adds to what is known, or is put before a person.
// A final record is never changed by it.
//
// Errors: *payment.Error if the ledger is away or the records keep moving; the
// event is then to be delivered again.
func (o *Orchestrator) Apply(ctx context.Context, e payment.Event) (Taken, error) {
	if e.ID == "" || e.Account == "" {
		return "", &payment.Error{Reason: payment.ReasonRequestInvalid, Message: "an event needs an account and an id"}
	}
	o.cfg.Probe(ctx, payment.PointWebhookVerified)
	taken, err := o.apply(ctx, hint{Event: e})
	if errors.Is(err, ledger.ErrEventKnown) {
		taken, err = TakenDuplicate, nil
	}
	if err != nil {
		return "", payment.Recorded(refusal(err))
	}
	o.metrics.events.Add(ctx, 1, metric.WithAttributes(attribute.String("payment.event", string(taken)), attribute.String("payment.account", string(e.Account))))
	o.log.InfoContext(ctx, "event taken in", "account", string(e.Account), "event_id", e.ID, "taken", string(taken),
		"provider_reference", string(e.Answer.Reference), "provider_code", e.Answer.Code)
	o.cfg.Probe(ctx, payment.PointWebhookCommitted)
	return taken, nil
}

// hint is an event with where it comes from: just now from a provider, or from the
// orphan that it was kept as.
type hint struct {
	payment.Event

	orphan string // the id of its attention
}

// kept is what remembers that the event was taken in.
func (h hint) kept() ledger.News {
	if h.orphan != "" {
		return ledger.News{Orphan: h.orphan}
	}
	return ledger.News{Event: &h.EventKey}
}

func (o *Orchestrator) apply(ctx context.Context, e hint) (Taken, error) {
	e.Answer.NextAction = nil // for the shopper alone; nothing here needs it, and attention is kept for long
	for range eventTries {
		taken, err := o.hear(ctx, e)
		switch {
		case errors.Is(err, ledger.ErrFenced), errors.Is(err, ledger.ErrPaymentMoved):
		case errors.Is(err, payment.ErrIllegalTransition), errors.Is(err, ledger.ErrRecord), errors.Is(err, ledger.ErrSchema):
			// It would be the same the next time, and hold up what comes behind it.
			return o.put(ctx, e, payment.AttentionUnfit, "an authentic event makes no sense: "+err.Error())
		default:
			return taken, err
		}
	}
	return "", ledger.ErrPaymentMoved
}

// hear makes of an event what the records as they stand now call for.
func (o *Orchestrator) hear(ctx context.Context, e hint) (Taken, error) {
	key, err := o.owning(ctx, e.Account, e.Method, string(e.Answer.Reference), string(e.Reference))
	ours := err == nil
	if errors.Is(err, ledger.ErrNotFound) && e.Outside != nil {
		key, err = o.owning(ctx, e.Account, payment.MethodAuthorize, string(e.Parent))
	}
	if errors.Is(err, ledger.ErrNotFound) {
		if e.orphan != "" {
			return TakenOrphan, nil // it stays one
		}
		return o.put(ctx, e, payment.AttentionOrphan, strange(e.Event))
	}
	if err != nil {
		return "", err
	}
	snap, err := o.cfg.Ledger.Read(ctx, key)
	if err != nil {
		return "", err
	}
	n := &news{flight: &flight{o: o, snap: snap, report: known(snap.Operation)}, event: e}
	n.report.Uncertain = n.report.Uncertain || n.op().State == payment.StateIntent // its owner may be sending
	n.link(ctx)
	if e.Changed {
		return n.changed(ctx)
	}
	if e.Outside != nil && (!ours || !n.aboutOurs()) {
		return n.outside(ctx, ours)
	}
	return n.about(ctx)
}

// owning finds the operation of a method that made an object of a provider: by the
// provider's name for it, else by ours.
func (o *Orchestrator) owning(ctx context.Context, account payment.AccountName, m payment.Method, names ...string) (payment.OperationKey, error) {
	for _, name := range names {
		if name == "" || m == "" {
			continue
		}
		key, err := o.cfg.Ledger.ByReference(ctx, account, name)
		if err == nil && key.Method() != m || errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		return key, err
	}
	return payment.OperationKey{}, ledger.ErrNotFound
}

// put keeps an event for a person: one that is about nothing we know, since it may
// be ahead of its operation or somebody else's at the same merchant, or one that
// makes no sense.
func (o *Orchestrator) put(ctx context.Context, e hint, kind payment.AttentionKind, summary string) (Taken, error) {
	a := payment.Attention{
		Kind: kind, Account: e.Account, Object: e.Answer.Reference, Event: &e.Event, Time: o.cfg.Now(), Summary: summary,
	}.Identified()
	kept := e.kept()
	kept.Attention = &a
	if _, err := o.cfg.Ledger.Record(ctx, ledger.Snapshot{}, nil, kept); err != nil {
		return "", err
	}
	o.alarm(ctx, a)
	if kind == payment.AttentionOrphan {
		return TakenOrphan, nil
	}
	return TakenUnfit, nil
}

// news is an event together with the operation that it is about. It borrows a
// flight's ways to judge and record, and never sends.
type news struct {
	*flight

	event hint
}

// about takes in what an event says about the object of an operation, and raises the
// alert that the table asks for once that is on record, as for an answer.
func (n *news) about(ctx context.Context) (taken Taken, err error) {
	op, e := n.op(), n.event
	i := slices.IndexFunc(op.Attempts, func(a payment.Attempt) bool { return a.Account == e.Account })
	if i < 0 {
		return "", fmt.Errorf("%w: operation %s has no attempt on account %s", ledger.ErrRecord, op.Key.ID, e.Account)
	}
	answer := e.Answer
	answer.Transport = payment.TransportAnswered
	if i < len(op.Attempts)-1 {
		// An effect there means that a refusal was none.
		return n.second(ctx, n.o.cfg.Table.Judge(op.Attempts[i].Target.Driver, mapping.Query, answer), "an effect on an account that the operation had left")
	}
	method := mapping.Query
	if e.Fenced {
		method = mapping.Fenced
	}
	verdict := n.judge(method, &answer)
	defer func() {
		if err == nil {
			n.alert(ctx, answer, verdict, decision{})
		}
	}()
	switch {
	case n.otherObject(answer):
		return n.second(ctx, verdict, "an effect under a second object of the provider")
	case op.State.Final():
		return n.afterwards(ctx, answer, verdict)
	case op.State == payment.StateFencing:
		return n.whileFencing(ctx, answer, verdict)
	}
	return n.outcome(ctx, answer, verdict)
}

// outcome records what an event proves, as the answer to a send would have been (T6).
func (n *news) outcome(ctx context.Context, a payment.Answer, v payment.Verdict) (Taken, error) {
	var d decision
	switch v.Evidence {
	case payment.EvidenceEffect:
		d = n.outcomeOf(payment.StateSucceeded, a, v)
	case payment.EvidencePending:
		if v.Category == payment.CategoryAuthnRequired {
			// An event does not carry what the shopper is to do, and what is answered is
			// answered for ever: the provider's own answer or a look-up shows it.
			return n.noted(ctx)
		}
		d = n.outcomeOf(pendingState(a), a, v)
	case payment.EvidenceNoEffectSticky:
		switch copies := n.op().Current().Stopped && n.unsure(); { // each may have been executed by itself
		case n.op().Halted, copies && !n.event.Fenced: // with an effect elsewhere it did not end without one
			return n.noted(ctx)
		case copies:
			return n.endedOne(ctx)
		}
		d = n.outcomeOf(negativeState(v), a, v)
	case payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown:
		return n.noted(ctx)
	}
	if !n.settles(d) {
		return n.noted(ctx)
	}
	a.HTTPStatus = 0 // of an exchange, and there was none
	n.learn(a, v)
	if v.Evidence == payment.EvidenceEffect || v.Evidence == payment.EvidencePending {
		n.report.Sends = max(n.report.Sends, 1) // or there were no such object; its owner may know of more
	}
	ended := n.event.Fenced || n.event.Outside != nil && n.event.Outside.Kind.Undoes()
	n.report.Released = ended && v.Evidence == payment.EvidenceNoEffectSticky
	d.settle.Report = n.report
	if err := n.record(ctx, d.settle, d.apply); err != nil {
		return "", err
	}
	n.o.metrics.outcome(ctx, n.op())
	n.log().InfoContext(ctx, "operation settled by an event", "state", string(n.op().State), "account", string(n.event.Account))
	return TakenSettled, nil
}

// whileFencing adds to what is known about an authorization that is being
// cancelled: only the object as it is read after the cancel settles that, and the
// event may be older. Where the provider cannot be asked nothing is read after the
// cancel: what it tells of the cancel settles it, and nothing else that it tells.
func (n *news) whileFencing(ctx context.Context, a payment.Answer, v payment.Verdict) (Taken, error) {
	blind := n.blind()
	switch {
	case blind && n.event.Fenced && v.Evidence == payment.EvidenceNoEffectSticky:
		return n.outcome(ctx, a, v)
	case blind && n.event.Fenced && v.Evidence == payment.EvidenceUnknown:
		// It found nothing, so another cancel may follow; that it arrives is still possible.
		return n.keep(ctx, payment.Note{Refused: true, Cancel: n.event.Cancel})
	case v.Evidence == payment.EvidenceUnknown, v.Evidence == payment.EvidenceNoEffectNotSticky:
		return n.noted(ctx)
	}
	a.HTTPStatus = 0 // of an exchange, and there was none
	n.learn(a, v)
	return n.keep(ctx, payment.Note{Report: n.report})
}

// blind reports whether the provider cannot be asked, and cancels by our reference.
func (n *news) blind() bool {
	return n.account() != nil && !n.account().Traits().Query && n.account().Traits().Fence == payment.FenceByReference
}

// keep records what an event adds to what is known.
func (n *news) keep(ctx context.Context, note payment.Note) (Taken, error) {
	if err := n.record(ctx, note, payment.Applied{}); err != nil {
		return "", err
	}
	return TakenNoted, nil
}

// second takes in news of what may be a second effect. Nothing more is sent
// before a person has looked.
func (n *news) second(ctx context.Context, v payment.Verdict, found string) (Taken, error) {
	if v.Evidence != payment.EvidenceEffect {
		return n.noted(ctx) // what was only accepted may be old news of what was refused since
	}
	op, now := n.op(), n.o.cfg.Now()
	if op.State.Final() {
		return n.contradict(ctx, payment.AttentionSecondEffect, found)
	}
	change, err := n.change(payment.Halt{Reason: found, At: now, Due: n.o.nextLook(op, now)}, payment.Applied{})
	if err != nil {
		return "", err
	}
	a := n.finding(payment.AttentionSecondEffect, found)
	change.News = n.event.kept()
	change.Attention = &a
	if _, err := n.o.cfg.Ledger.Advance(ctx, n.snap, change); err != nil {
		return "", err
	}
	return n.contradicted(ctx, a), nil
}

// afterwards compares news with a record that is final. What the provider
// documents as a reversal comes with Outside instead.
func (n *news) afterwards(ctx context.Context, a payment.Answer, v payment.Verdict) (Taken, error) {
	succeeded := n.op().State == payment.StateSucceeded
	switch v.Evidence {
	case payment.EvidenceEffect:
		older := n.op().Current().Released && !n.event.Time.After(n.op().Completed) // than the end of what it tells of
		if succeeded || older || n.undone(ctx) {
			return n.noted(ctx)
		}
		return n.contradict(ctx, payment.AttentionSecondEffect, "an effect of an operation that ended without one")
	case payment.EvidenceNoEffectSticky:
		released := n.snap.Payment.Status == payment.StatusVoided || n.snap.Payment.Voiding != "" // a hold that we released, or are about to
		if succeeded && !released {
			return n.contradict(ctx, payment.AttentionContradiction, "an operation that succeeded is said to have had no effect: "+a.Code)
		}
	case payment.EvidencePending, payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown:
	}
	return n.noted(ctx)
}

// undone asks the provider whether an effect that is told of an operation without
// one is gone by now: an event from before a cancel may come after it.
func (n *news) undone(ctx context.Context) bool {
	if n.account() == nil {
		return false
	}
	now := n.snap
	n.snap.Operation.Attempts = slices.Clone(now.Operation.Attempts)
	current := &n.snap.Operation.Attempts[len(now.Operation.Attempts)-1]
	current.ProviderReference = n.event.Answer.Reference
	d, err := n.query(ctx)
	n.snap, n.report = now, known(now.Operation)
	return err == nil && d.action == actionSettle && d.settle.State != payment.StateSucceeded
}

// otherObject reports news of another object than the one that the operation is
// known by.
func (n *news) otherObject(a payment.Answer) bool {
	known := n.op().Current().ProviderReference
	return known != "" && a.Reference != "" && a.Reference != known
}

// noted keeps that the event was taken in, since it changes nothing.
func (n *news) noted(ctx context.Context) (Taken, error) {
	if _, err := n.o.cfg.Ledger.Record(ctx, ledger.Snapshot{}, nil, n.event.kept()); err != nil {
		return "", err
	}
	return TakenNoted, nil
}

// contradict puts the event before a person, and leaves the record alone.
func (n *news) contradict(ctx context.Context, kind payment.AttentionKind, summary string) (Taken, error) {
	a := n.finding(kind, summary)
	kept := n.event.kept()
	kept.Attention = &a
	if _, err := n.o.cfg.Ledger.Record(ctx, ledger.Snapshot{}, nil, kept); err != nil {
		return "", err
	}
	return n.contradicted(ctx, a), nil
}

func (n *news) contradicted(ctx context.Context, a payment.Attention) Taken {
	n.o.metrics.contradictions.Add(ctx, 1)
	n.o.alarm(ctx, a)
	return TakenContradict
}

func (n *news) finding(kind payment.AttentionKind, summary string) payment.Attention {
	a := *n.o.concerning(n.op(), kind, n.event.Answer.Reference, summary)
	a.Account, a.Event = n.event.Account, &n.event.Event
	return a.Identified()
}

// record makes a transition durable together with the event, once: if the record
// has moved, what the event calls for is decided anew.
func (n *news) record(ctx context.Context, t payment.Transition, applied payment.Applied) error {
	change, err := n.change(t, applied)
	if err != nil {
		return err
	}
	change.News = n.event.kept()
	snap, err := n.o.cfg.Ledger.Advance(ctx, n.snap, change)
	if err == nil {
		n.snap = snap
	}
	return err
}
