package main

import "strings"

// mutant is a rule of the protocol taken away.
type mutant struct {
	name  string
	edits []edit
}

// edit replaces a text that stands exactly once in a file.
type edit struct {
	file     string // from the module's root
	old, new string
}

// table lists the mutants. Section 10 of the protocol names most of them; the
// others take away what an invariant rests on besides.
//
// Two of section 10 are not here. "Parent's total taken as evidence for a capture"
// is a driver's mistake, and the simulation has no drivers: its accounts answer as
// a driver must, and the drivers' own tests hold them to it. "Not-found closed by
// a person within the key's lifetime" needs the operator's commands, which acquit
// does not have yet.
func table() []mutant {
	list := evidenceMutants()
	list = append(list, keyMutants()...)
	list = append(list, fenceMutants()...)
	list = append(list, guardMutants()...)
	list = append(list, moneyMutants()...)
	list = append(list, jointMutants()...)
	return append(list, promiseMutants()...)
}

const (
	transition  = "orchestrator/payment/transition.go"
	report      = "orchestrator/payment/report.go"
	amounts     = "orchestrator/payment/amounts.go"
	attempt     = "orchestrator/attempt.go"
	check       = "orchestrator/check.go"
	clock       = "orchestrator/clock.go"
	fence       = "orchestrator/fence.go"
	event       = "orchestrator/event.go"
	commit      = "orchestrator/commit.go"
	flight      = "orchestrator/flight.go"
	sandbox     = "orchestrator/mapping/sandbox.csv"
	memory      = "orchestrator/ledger/ledgertest/memory_ledger.go"
	complete    = "orchestrator/complete.go"
	calloff     = "orchestrator/calloff.go"
	called      = "orchestrator/payment/calloff.go"
	joint       = "orchestrator/ledger/ledgertest/memory_joint.go"
	contract    = "orchestrator/ledger/ledger.go"
	idempotency = "interceptors/idempotency.go"
)

// judged is where the answer to a send has just been judged.
const judged = "	verdict := f.judge(op.Method, &answer)\n	f.report.Uncertain = before.Uncertain\n"

// misjudge takes answers of one kind for more than they are.
func misjudge(when, as string) []edit {
	return []edit{{attempt, judged, strings.Replace(judged, "	f.report", "	if "+when+" {\n		"+as+"\n	}\n	f.report", 1)}}
}

// evidenceMutants take for proof what is none.
func evidenceMutants() []mutant {
	return []mutant{
		{"failover on timeout", misjudge("answer.Transport == payment.TransportTimeout",
			"verdict.Evidence, verdict.Resend, verdict.Failover = payment.EvidenceNoEffectNotSticky, payment.ResendNever, true")},
		{"release on timeout", misjudge("answer.Transport == payment.TransportTimeout",
			"verdict.Evidence, verdict.Category = payment.EvidenceNoEffectSticky, payment.CategoryProviderError")},
		{"a 5xx closes an attempt", misjudge("answer.HTTPStatus >= 500",
			"verdict.Evidence, verdict.Resend, verdict.Category = payment.EvidenceNoEffectNotSticky, payment.ResendNever, payment.CategoryProviderError")},
		{"a non-sticky refusal closes an attempt of any epoch", []edit{{
			report, "op.State == StateIntent && a.Epoch == op.Epoch && !a.Uncertain", "op.State == StateIntent && !a.Uncertain",
		}}},
		{"a non-sticky refusal closes after an unknown send", []edit{{
			report, "a.Epoch == op.Epoch && !a.Uncertain && !r.Uncertain", "a.Epoch == op.Epoch",
		}}},
		{"a non-sticky refusal closes where requests may be repeated", []edit{{
			"orchestrator/decide.go", "if f.op().Closable(f.report) && !f.o.doubtful[f.op().Current().Account] {", "if f.op().Closable(f.report) {",
		}}},
		{"not found means failed", []edit{{
			sandbox, "sandbox.query.not_found,query,not_found,,,,unknown,ambiguous,provider_object_missing,,backoff,no,no,",
			"sandbox.query.not_found,query,not_found,,,,no_effect_sticky,provider_error,provider_object_missing,,never,no,no,",
		}}},
	}
}

// keyMutants send what the provider does not recognise, or where it must not go.
func keyMutants() []mutant {
	const send = "	answer, err := f.account().Send(ctx, send, step.RequestHash)\n	if err != nil { // nothing left the process\n"
	fresh := func(number string) []edit {
		return []edit{{attempt, send, "	send.Key += payment.ProviderKey(rune('a' + " + number + "))\n	step.RequestHash, _ = f.account().Prepare(send)\n" + send}}
	}
	return []mutant{
		{"a new provider key per takeover", fresh("op.Epoch")},
		{"a new provider key per send", fresh("f.report.Sends")},
		{"no resend window", []edit{{clock, "	case !now.Before(attempt.ResendNotAfter):", "	case false:"}}},
		{"another credential is as good", []edit{{
			check, "	case account.Credential() != attempt.Credential && account.Traits().KeyScope != payment.KeyScopeAccount:", "	case false:",
		}}},
		{"a send without a live session", []edit{{
			check, "	if err := f.o.cfg.Ledger.Hold(hold, f.o.cfg.SessionMargin); err != nil {", "	if err := hold.Err(); err != nil {",
		}}},
		{"routing again on takeover", []edit{{
			attempt, "func (f *flight) account() Account { return f.o.accounts[f.op().Current().Account] }",
			`func (f *flight) account() Account {
	for name, other := range f.o.accounts {
		if f.op().Epoch > 1 && name != f.op().Current().Account {
			return other
		}
	}
	return f.o.accounts[f.op().Current().Account]
}`,
		}}},
	}
}

// fenceMutants cancel without a record, or believe too much of a cancel.
func fenceMutants() []mutant {
	const record = "	if err := f.commit(ctx, payment.Fence{Report: f.report, Step: step}, payment.Applied{}); err != nil {\n		return err\n	}\n"
	const parked = "	if op.State == StateIntent {\n		op.State = StateUnknown\n	}\n	release(op)\n"
	return []mutant{
		{"fence without T7", []edit{{
			fence, record, "	if f.snap.Operation, err = f.op().Next(payment.Fence{Report: f.report, Step: step}); err != nil {\n		return err\n	}\n",
		}}},
		{"cancel refused, so it succeeded", []edit{{
			fence, "	if found.action != actionSettle && refused {\n		return false, nil\n	}\n",
			"	if found.action != actionSettle && refused {\n		f.report.Evidence = payment.EvidenceEffect\n		return true, f.settle(ctx, f.outcomeOf(payment.StateSucceeded, payment.Answer{}, payment.Verdict{}))\n	}\n",
		}}},
		{"a hold seen after a cancel is a success", []edit{{
			sandbox, "sandbox.fenced.authorized,fenced,authorized,,,,unknown,ambiguous,not_cancelled,,backoff,no,no,",
			"sandbox.fenced.authorized,fenced,authorized,,,,effect,ok,,,never,no,no,",
		}}},
		{"T3 over FENCING", []edit{{transition, "	if op.State == StateUnknown {\n		op.State = StateIntent\n	}\n", "	op.State = StateIntent\n"}}},
		{"T5 over FENCING", []edit{{transition, parked, "	op.State = StateUnknown\n	release(op)\n"}}},
		{"late news over FENCING", []edit{{event, "	case op.State == payment.StateFencing:\n", "	case false:\n"}}},
		{"a late flight over FENCING", []edit{{commit, "!now.State.Final() && now.State != payment.StateFencing &&", "!now.State.Final() &&"}}},
	}
}

// guardMutants let somebody write who has been overtaken.
func guardMutants() []mutant {
	const guard = `	if now.Revision.Operation != s.Revision.Operation {
		another := c.Event != nil && !l.tookIn(*c.Event, c.Operation.Key)`
	return []mutant{
		{"no revision guard", []edit{{memory, guard, strings.Replace(guard, "	if", "	if false && ", 1)}}},
		{"record only under the lease", []edit{{
			memory, guard, strings.Replace(guard, "now.Revision.Operation != s.Revision.Operation", "_, lost := l.session(); lost != nil", 1),
		}}},
		{"adopting a revision by nonce alone", []edit{{
			contract, "return now.Nonce == want.Nonce && now.Epoch == want.Epoch && now.State == want.State &&", "return now.Nonce == want.Nonce || now.Nonce == want.Nonce &&",
		}}},
	}
}

// moneyMutants let operations on a payment get in each other's way.
func moneyMutants() []mutant {
	return []mutant{
		{"park that releases", []edit{
			{amounts, "return op.State.Final() || (op.Method == MethodAuthorize && moved)", "return op.State.Final() || op.State == StateUnknown || (op.Method == MethodAuthorize && moved)"},
			{
				amounts, "	case MethodCapture:\n		if !op.State.Final() {\n			return p, nil\n		}\n		p.CaptureReserved -= op.Held",
				"	case MethodCapture:\n		if !op.State.Final() && op.State != StateUnknown {\n			return p, nil\n		}\n		p.CaptureReserved -= min(op.Held, p.CaptureReserved)",
			},
		}},
		{"T1 without the amount guard", []edit{{amounts, "	case o.Amount != nil && o.Amount.MinorUnits > left:", "	case false:"}}},
		{"T1 without the payment's revision", []edit{{
			memory, "		if now.Revision.Payment != s.Revision.Payment {\n			return now, fmt.Errorf(\"payment %s: %w\", c.Payment.ID, ledger.ErrPaymentMoved)\n		}\n	}\n	return l.store.commit(l.boot, c, held)",
			"		_ = now\n	}\n	return l.store.commit(l.boot, c, held)",
		}}},
		{"void that does not block captures", []edit{{amounts, "	if p.Voiding != \"\" {\n		return 0\n	}", ""}}},
		{"void beside a capture", []edit{{amounts, "		if p.CaptureReserved == 0 {\n			left = p.Capturable()\n		}", "		left = p.Capturable()"}}},
	}
}

// jointMutants write a completion without its authorization, or one over what has
// become of the other. "A new provider key per takeover", above, is caught at
// completions as well.
func jointMutants() []mutant {
	const moved = "	if c.Parent != nil && s.operations[c.Parent.Key].revision != snap.Revision.Parent {\n"
	only := func(when string) []edit {
		return []edit{{joint, moved, strings.Replace(moved, "c.Parent != nil", "c.Parent != nil && "+when, 1)}}
	}
	return []mutant{
		{"T1 without the parent's revision", only("snap.Revision.Operation != 0")},
		{"T2 without the parent's revision", only("snap.Revision.Operation == 0")},
		{"T2 without the parent", []edit{{complete, "	return f.render(ledger.Change{Parent: &next}, t, applied)\n", "	c, err := f.render(ledger.Change{Parent: &next}, t, applied)\n	c.Parent = nil\n	return c, err\n"}}},
		{"a child that does not follow its parent", []edit{{
			complete, "	case f.apart() && parent.State.Final():\n		return f.render(ledger.Change{}, parent.SameEnd(t.Report, now), payment.Applied{})\n",
			"	case f.apart() && parent.State.Final():\n		return f.render(ledger.Change{}, t, applied)\n",
		}}},
		{"a look that found nothing settled ends both", []edit{{
			complete, "	d.settle.Apart = true\n	return d\n}\n\n// refusedAlone", "	return d\n}\n\n// refusedAlone",
		}}},
		{"a void that ends before its authorization", []edit{{
			calloff, "	parent := f.snap.Parent\n	if !parent.State.Final() {\n", "	parent := f.snap.Parent\n	if parent.State == payment.StatePending || parent.State == payment.StateRequiresAction {\n",
		}}},
		{"a void that succeeds whatever its authorization did", []edit{{
			called, "	if op.State != StateSucceeded {\n		r.Evidence", "	if op.State.Final() {\n		r.Evidence",
		}}},
		{"what was called off ends by the answer to the cancel", []edit{{
			fence, "	found, err := f.query(ctx)\n	if err != nil {\n		return true, err\n	}\n	if found.action",
			"	if f.op().CalledOff() {\n		f.report.Evidence = payment.EvidenceNoEffectSticky\n		return true, f.settle(ctx, f.outcomeOf(payment.StateFailed, payment.Answer{}, payment.Verdict{}))\n	}\n	found, err := f.query(ctx)\n	if err != nil {\n		return true, err\n	}\n	if found.action",
		}}},
	}
}

// promiseMutants break a promise to the caller, or leave something behind.
func promiseMutants() []mutant {
	return []mutant{
		{"another payload sees the answer", []edit{{idempotency, "	case !own.Equal(op.Fingerprint):", "	case !own.Equal(own):"}}},
		{"an ambiguous claim is taken for made", []edit{{
			commit, "		case transient(err) && f.pauseLedger(ctx):\n",
			"		case errors.Is(err, ledger.ErrAmbiguous):\n			f.snap, f.nonce = s, c.Operation.Nonce\n			f.snap.Operation = c.Operation\n			return nil\n		case transient(err) && f.pauseLedger(ctx):\n",
		}}},
		{"sent after its caller was told that nothing was", []edit{{flight, "	f.asked = !f.refused\n", "	f.asked = true\n"}}},
		{"told that nothing was sent, while the ledger is asked", []edit{{flight, "	view, seen, unsure := f.view, f.seen, f.settled || f.asked\n", "	view, seen, unsure := f.view, f.seen, f.settled\n"}}},
		{"an outcome is told before it is stored", []edit{{flight, "	f.settled = true\n", "	f.view.Operation.State = payment.StateSucceeded\n"}}},
		{"a final operation keeps the request", []edit{{
			transition, "op.Completed, op.NextCheck, op.Sealed, op.ParkReason = t.At, time.Time{}, nil, \"\"", "op.Completed, op.NextCheck, op.ParkReason = t.At, time.Time{}, \"\"",
		}}},
		{"a park keeps its owner", []edit{{
			transition, "	if op.State == StateIntent {\n		op.State = StateUnknown\n	}\n	release(op)\n", "	if op.State == StateIntent {\n		op.State = StateUnknown\n	}\n",
		}}},
		{"a takeover without an epoch", []edit{{transition, "	op.Epoch++\n", "	op.Epoch = max(op.Epoch, 1)\n"}}},
		{"a flow that just ends", []edit{{attempt, "	case actionPark:\n	}\n	return true, f.park(ctx, d.reason)\n", "	case actionPark:\n	}\n	return true, nil\n"}}},
		{"what is stranded is told nobody", []edit{{
			"orchestrator/visit.go", "	f.attend(ctx, f.o.concerning(f.op(), payment.AttentionStuck, f.op().Current().ProviderReference, reason))\n", "",
		}}},
		{"an event is taken in twice", []edit{{
			"orchestrator/ledger/ledgertest/memory_news.go", "	case n.Event != nil && s.events[*n.Event] != nil:\n", "	case false:\n",
		}}},
		{"an event is answered before it is durable", []edit{{
			event, "	if err != nil {\n		return \"\", payment.Recorded(refusal(err))\n	}\n	o.metrics.events", "	if err != nil {\n		taken = TakenNoted\n	}\n	o.metrics.events",
		}}},
		{"an orphan is matched with nothing", []edit{{
			"orchestrator/orphan.go", "	if a.Kind != payment.AttentionOrphan || a.Event == nil ||", "	if true || a.Kind != payment.AttentionOrphan || a.Event == nil ||",
		}}},
	}
}
