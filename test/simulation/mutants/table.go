package main

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
func table() []mutant {
	list := evidenceMutants()
	list = append(list, keyMutants()...)
	list = append(list, guardMutants()...)
	list = append(list, moneyMutants()...)
	return append(list, promiseMutants()...)
}

const (
	transition  = "orchestrator/payment/transition.go"
	amounts     = "orchestrator/payment/amounts.go"
	attempt     = "orchestrator/attempt.go"
	commit      = "orchestrator/commit.go"
	flight      = "orchestrator/flight.go"
	anyTable    = "orchestrator/mapping/any.csv"
	sandbox     = "orchestrator/mapping/sandbox.csv"
	memory      = "orchestrator/ledger/ledgertest/memory_ledger.go"
	contract    = "orchestrator/ledger/ledger.go"
	idempotency = "interceptors/idempotency.go"
)

// evidenceMutants take for proof what is none.
func evidenceMutants() []mutant {
	return []mutant{
		{"failover on timeout", []edit{{
			anyTable, "any.transport.timeout,any,,,,timeout,unknown,ambiguous,provider_timeout,,backoff,no,no,",
			"any.transport.timeout,any,,,,timeout,no_effect_not_sticky,transient_safe,provider_timeout,,backoff,yes,no,",
		}}},
		{"a non-sticky refusal closes an attempt of any epoch", []edit{{
			transition, "op.State == StateIntent && a.Epoch == op.Epoch && !a.Uncertain", "op.State == StateIntent && !a.Uncertain",
		}}},
		{"a non-sticky refusal closes after an unknown send", []edit{{
			transition, "a.Epoch == op.Epoch && !a.Uncertain && !r.Uncertain", "a.Epoch == op.Epoch",
		}}},
		{"a 5xx closes an attempt", []edit{{
			sandbox, "sandbox.any.server_error,any,server_error,,,,unknown,ambiguous,", "sandbox.any.server_error,any,server_error,,500,,no_effect_not_sticky,provider_error,",
		}}},
		{"not found means failed", []edit{{
			sandbox, "sandbox.query.not_found,query,not_found,,,,unknown,ambiguous,provider_object_missing,,backoff,no,no,",
			"sandbox.query.not_found,query,not_found,,,,no_effect_sticky,provider_error,provider_object_missing,,never,no,no,",
		}}},
		{"release on timeout", []edit{{
			anyTable, "any.transport.timeout,any,,,,timeout,unknown,ambiguous,provider_timeout,,backoff,no,no,",
			"any.transport.timeout,any,,,,timeout,no_effect_sticky,provider_error,provider_timeout,,never,no,no,",
		}}},
	}
}

// keyMutants send what the provider does not recognise.
func keyMutants() []mutant {
	const send = "	answer, err := f.account().Send(ctx, send, step.RequestHash)\n"
	return []mutant{
		{"a new provider key per takeover", []edit{{
			attempt, send, "	send.Key += payment.ProviderKey(rune('a' + op.Epoch))\n	step.RequestHash, _ = f.account().Prepare(send)\n" + send,
		}}},
		{"a new provider key per send", []edit{{
			attempt, send, "	send.Key += payment.ProviderKey(rune('a' + f.report.Sends))\n	step.RequestHash, _ = f.account().Prepare(send)\n" + send,
		}}},
		{"no resend window", []edit{{attempt, "	case !now.Before(attempt.ResendNotAfter):", "	case false:"}}},
		{"another credential is as good", []edit{{
			attempt, "	case account.Credential() != attempt.Credential && account.Traits().KeyScope != payment.KeyScopeAccount:", "	case false:",
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

// guardMutants let somebody write who has been overtaken.
func guardMutants() []mutant {
	const guard = `	if now.Revision.Operation != s.Revision.Operation {
		return made(now, c)
	}
	if c.Payment != nil`
	return []mutant{
		{"no revision guard", []edit{{memory, guard, "	if c.Payment != nil"}}},
		{"a fenced flight writes on what it finds", []edit{{
			commit, "			if !f.stillNews(t, mine.Operation) {", "			if false {",
		}}},
		{"record only under the lease", []edit{{
			memory, guard, `	if _, err := l.session(); err != nil {
		return made(now, c)
	}
	if c.Payment != nil`,
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
			memory, "		if now.Revision.Payment != s.Revision.Payment {\n			return now, fmt.Errorf(\"payment %s: %w\", c.Payment.ID, ledger.ErrPaymentMoved)\n		}\n	}\n	return l.store.commit(c, held)",
			"		_ = now\n	}\n	return l.store.commit(c, held)",
		}}},
		{"void that does not block captures", []edit{{amounts, "	if p.Voiding != \"\" {\n		return 0\n	}", ""}}},
		{"void beside a capture", []edit{{amounts, "		if p.CaptureReserved == 0 {\n			left = p.Capturable()\n		}", "		left = p.Capturable()"}}},
	}
}

// promiseMutants break a promise to the caller, or leave something behind.
func promiseMutants() []mutant {
	return []mutant{
		{"another payload sees the answer", []edit{{idempotency, "	case !own.Equal(op.Fingerprint):", "	case !own.Equal(own):"}}},
		{"an ambiguous claim is taken for made", []edit{{
			commit, "		if !transient(err) || !f.pauseLedger(ctx) {\n			return err\n		}\n	}\n}\n\n// settle",
			"		if errors.Is(err, ledger.ErrAmbiguous) {\n			f.snap, f.nonce = s, c.Operation.Nonce\n			f.snap.Operation = c.Operation\n			return nil\n		}\n		if !transient(err) || !f.pauseLedger(ctx) {\n			return err\n		}\n	}\n}\n\n// settle",
		}}},
		{"sent after its caller was told that nothing was", []edit{{flight, "	if !f.launched() {", "	if f.launched(); false {"}}},
		{"a send without a live session", []edit{{attempt, "	if err := f.o.cfg.Ledger.Hold(hold, f.o.cfg.SessionMargin); err != nil {", "	if err := hold.Err(); err != nil {"}}},
		{"a final operation keeps the request", []edit{{transition, "op.Completed, op.NextCheck, op.Sealed, op.ParkReason = t.At, time.Time{}, nil, \"\"", "op.Completed, op.NextCheck, op.ParkReason = t.At, time.Time{}, \"\""}}},
		{"a park keeps its owner", []edit{{transition, "	if op.State == StateIntent {\n		op.State = StateUnknown\n	}\n	release(op)\n", "	if op.State == StateIntent {\n		op.State = StateUnknown\n	}\n"}}},
		{"a takeover without an epoch", []edit{{transition, "	op.Epoch++\n", "	op.Epoch = max(op.Epoch, 1)\n"}}},
		{"a takeover that nobody finishes", []edit{{"orchestrator/resume.go", "	return f.drive(ctx)\n", "	return f.park(ctx, \"left\")\n"}}},
	}
}
