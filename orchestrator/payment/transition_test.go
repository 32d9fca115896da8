package payment_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// at is when everything in these tests happens.
func at() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

func states() []payment.State {
	return []payment.State{
		"", payment.StateIntent, payment.StateUnknown, payment.StateFencing, payment.StatePending, payment.StateRequiresAction,
		payment.StateSucceeded, payment.StateDeclined, payment.StateFailed,
	}
}

func attemptOn(account payment.AccountName) payment.Attempt {
	return payment.Attempt{
		Account: account, Created: at(), Deadline: at().Add(time.Minute), ResendNotAfter: at().Add(time.Hour),
		Steps: []payment.Step{{Name: payment.StepMain, Key: "k", KeyVersion: 1, RequestHash: "h"}},
	}
}

func claim() payment.Claim {
	return payment.Claim{
		Call:      payment.Call{Tenant: "default", Method: payment.MethodAuthorize, Key: "order-1", Reference: "REF"},
		PaymentID: "p1", Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"}, Sealed: []byte("sealed"),
		Owner: payment.Ownership{Boot: "boot1", Nonce: "n1", Until: at().Add(90 * time.Second)},
		At:    at(), Deadline: at().Add(2 * time.Minute), ResolveBy: at().Add(15 * time.Minute), Attempt: attemptOn("a"),
	}
}

// in is an owned operation in a state, its first attempt created by its owner
// and open, unless the state is final.
func in(t *testing.T, s payment.State) payment.Operation {
	t.Helper()
	if s == "" {
		return payment.Operation{}
	}
	op, err := payment.Operation{}.Next(claim())
	if err != nil {
		t.Fatal(err)
	}
	op.State = s
	if s.Answers() {
		op.Response = []byte("response")
	}
	if s.Final() {
		op.Owner, op.Sealed, op.NextCheck, op.Completed = "", nil, time.Time{}, at()
	}
	return op
}

// moves is every transition with everything about it in order: evidence that
// fits, an owner, a fresh nonce, time left.
func moves() map[string]payment.Transition {
	report := func(e payment.Evidence) payment.Report {
		return payment.Report{Sends: 1, Evidence: e, MappingRow: "row"}
	}
	settle := func(s payment.State, e payment.Evidence) payment.Settle {
		return payment.Settle{State: s, Report: report(e), At: at(), Due: at().Add(time.Minute)}
	}
	return map[string]payment.Transition{
		"claim":                  claim(),
		"take over":              payment.TakeOver{Owner: payment.Ownership{Boot: "boot2", Nonce: "n2", Until: at().Add(time.Minute)}},
		"park":                   payment.Park{Reason: "why", At: at(), Due: at().Add(time.Minute)},
		"fence":                  payment.Fence{Step: payment.Step{Name: payment.StepCancel(1), Key: "k2", KeyVersion: 1, RequestHash: "h2"}},
		"note":                   payment.Note{Report: report(payment.EvidenceEffect)},
		"hasten":                 payment.Hasten{Due: at()},
		"halt":                   payment.Halt{Reason: "why", At: at(), Due: at().Add(time.Minute)},
		"fail over, sticky":      payment.FailOver{Report: report(payment.EvidenceNoEffectSticky), At: at(), Until: at().Add(time.Minute), Attempt: attemptOn("b")},
		"fail over, not sticky":  payment.FailOver{Report: report(payment.EvidenceNoEffectNotSticky), At: at(), Until: at().Add(time.Minute), Attempt: attemptOn("b")},
		"succeed":                settle(payment.StateSucceeded, payment.EvidenceEffect),
		"decline, sticky":        settle(payment.StateDeclined, payment.EvidenceNoEffectSticky),
		"decline, not sticky":    settle(payment.StateDeclined, payment.EvidenceNoEffectNotSticky),
		"fail, sticky":           settle(payment.StateFailed, payment.EvidenceNoEffectSticky),
		"fail, not sticky":       settle(payment.StateFailed, payment.EvidenceNoEffectNotSticky),
		"pend":                   settle(payment.StatePending, payment.EvidencePending),
		"require action":         settle(payment.StateRequiresAction, payment.EvidencePending),
		"settle as intent":       settle(payment.StateIntent, payment.EvidenceUnknown),
		"settle as unknown":      settle(payment.StateUnknown, payment.EvidenceUnknown),
		"settle as fencing":      settle(payment.StateFencing, payment.EvidenceUnknown),
		"settle as nothing":      settle("", payment.EvidenceEffect),
		"settle as what is none": settle("PAID", payment.EvidenceEffect),
	}
}

// Goal: an operation is hastened only where nobody owns it, only forward, and nothing
// else of it moves. Method: every state that is not final, with and without an owner,
// to an earlier time and to none that is.
func TestHasten(t *testing.T) {
	for _, state := range []payment.State{payment.StateUnknown, payment.StateFencing, payment.StatePending, payment.StateRequiresAction} {
		op := in(t, state)
		if _, err := op.Next(payment.Hasten{Due: at()}); !errors.Is(err, payment.ErrIllegalTransition) {
			t.Errorf("%s, owned: %v", state, err)
		}
		op.Owner, op.OwnerUntil = "", time.Time{}
		for _, due := range []time.Time{{}, op.NextCheck, op.NextCheck.Add(time.Second)} {
			if _, err := op.Next(payment.Hasten{Due: due}); !errors.Is(err, payment.ErrIllegalTransition) {
				t.Errorf("%s, to %s: %v", state, due, err)
			}
		}
		want := op
		want.NextCheck = at()
		next, err := op.Next(payment.Hasten{Due: at()})
		if diff := cmp.Diff(want, next); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", state, err, diff)
		}
	}
}

// Goal: exactly the documented moves are legal. Method: every transition, in
// order in every respect, from every state; a dash is a refusal. The states are
// abbreviated by their first three letters.
func TestEveryStateAndTransition(t *testing.T) {
	const table = `
	from                    new  INT  UNK  FEN  PEN  REQ  SUC  DEC  FAI
	claim                   INT  -    -    -    -    -    -    -    -
	take over               -    INT  INT  FEN  PEN  REQ  -    -    -
	park                    -    UNK  UNK  FEN  PEN  REQ  -    -    -
	fence                   -    FEN  FEN  FEN  FEN  FEN  -    -    -
	note                    -    INT  UNK  FEN  PEN  REQ  -    -    -
	hasten                  -    -    -    -    -    -    -    -    -
	halt                    -    UNK  UNK  FEN  PEN  REQ  -    -    -
	fail over, sticky       -    INT  -    INT  -    -    -    -    -
	fail over, not sticky   -    INT  -    -    -    -    -    -    -
	succeed                 -    SUC  SUC  SUC  SUC  SUC  -    -    -
	decline, sticky         -    DEC  DEC  DEC  DEC  DEC  -    -    -
	decline, not sticky     -    DEC  -    -    -    -    -    -    -
	fail, sticky            -    FAI  FAI  FAI  FAI  FAI  -    -    -
	fail, not sticky        -    FAI  -    -    -    -    -    -    -
	pend                    -    PEN  PEN  -    -    -    -    -    -
	require action          -    REQ  REQ  -    -    -    -    -    -
	settle as intent        -    -    -    -    -    -    -    -    -
	settle as unknown       -    -    -    -    -    -    -    -    -
	settle as fencing       -    -    -    -    -    -    -    -    -
	settle as nothing       -    -    -    -    -    -    -    -    -
	settle as what is none  -    -    -    -    -    -    -    -    -`
	lines := strings.Split(strings.TrimSpace(table), "\n")[1:]
	if len(lines) != len(moves()) {
		t.Fatalf("%d lines for %d transitions", len(lines), len(moves()))
	}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		name, cells := strings.TrimSpace(line[:24]), strings.Fields(line[24:])
		move, ok := moves()[name]
		if !ok || len(cells) != len(states()) {
			t.Fatalf("line %q is not a transition and %d cells", line, len(states()))
		}
		for i, from := range states() {
			op := in(t, from)
			next, err := op.Next(move)
			if cells[i] == "-" {
				if !errors.Is(err, payment.ErrIllegalTransition) {
					t.Errorf("%s from %q: %v, want ErrIllegalTransition", name, from, err)
				}
				if diff := cmp.Diff(op, next); diff != "" {
					t.Errorf("%s from %q was refused and changed the record:\n%s", name, from, diff)
				}
				continue
			}
			if err != nil || !strings.HasPrefix(string(next.State), cells[i]) {
				t.Errorf("%s from %q: %s, %v; want %s", name, from, next.State, err, cells[i])
			}
		}
	}
}

// Goal: an outcome needs the evidence that proves it, from wherever it is
// reached. Method: every state, every outcome, every evidence, in the four
// situations that decide what evidence that is not sticky is worth.
func TestOutcomesNeedTheirEvidence(t *testing.T) {
	evidences := []payment.Evidence{
		"", payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky,
		payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown, "rumour",
	}
	situations := map[string]func(*payment.Operation, *payment.Report){
		"own attempt, every send certain": func(*payment.Operation, *payment.Report) {},
		"taken over since":                func(op *payment.Operation, _ *payment.Report) { op.Epoch++ },
		"an earlier send is uncertain":    func(op *payment.Operation, _ *payment.Report) { op.Attempts[0].Uncertain = true },
		"a send of this flight was":       func(_ *payment.Operation, r *payment.Report) { r.Uncertain = true },
	}
	for situation, arrange := range situations {
		for _, from := range states()[1:] {
			for _, to := range states() {
				for _, e := range evidences {
					op, r := in(t, from), payment.Report{Evidence: e}
					arrange(&op, &r)
					closes := e == payment.EvidenceNoEffectSticky ||
						e == payment.EvidenceNoEffectNotSticky && from == payment.StateIntent && strings.HasPrefix(situation, "own")
					want := false
					switch to {
					case payment.StateSucceeded:
						want = e == payment.EvidenceEffect
					case payment.StateDeclined, payment.StateFailed:
						want = closes
					case payment.StatePending, payment.StateRequiresAction:
						want = e == payment.EvidencePending && (from == payment.StateIntent || from == payment.StateUnknown)
					case payment.StateIntent, payment.StateUnknown, payment.StateFencing, "":
					}
					want = want && !from.Final()
					_, err := op.Next(payment.Settle{State: to, Report: r, At: at()})
					if (err == nil) != want {
						t.Errorf("%s: %s to %q on evidence %q: %v, want legal: %t", situation, from, to, e, err, want)
					}
					if op.Closable(r) != closes && !from.Final() {
						t.Errorf("%s: Closable(%q) in %s is %t", situation, e, from, !closes)
					}
					fail := payment.FailOver{Report: r, At: at(), Attempt: attemptOn("b")}
					_, err = op.Next(fail)
					if legal := closes && (from == payment.StateIntent || from == payment.StateFencing); (err == nil) != legal {
						t.Errorf("%s: failover from %s on evidence %q: %v, want legal: %t", situation, from, e, err, legal)
					}
				}
			}
		}
	}
}

// Goal: what else makes a transition illegal. Method: one that is in order,
// changed in one respect.
func TestTransitionsThatLackSomething(t *testing.T) {
	failOver, ok := moves()["fail over, sticky"].(payment.FailOver)
	if !ok {
		t.Fatal("not a failover")
	}
	with := func(change func(*payment.FailOver)) payment.FailOver {
		f := failOver
		change(&f)
		return f
	}
	claimWith := func(change func(*payment.Claim)) payment.Claim {
		c := claim()
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		from   payment.State
		change func(*payment.Operation)
		move   payment.Transition
	}{
		"claim without owner":                    {"", nil, claimWith(func(c *payment.Claim) { c.Owner.Boot = "" })},
		"claim without nonce":                    {"", nil, claimWith(func(c *payment.Claim) { c.Owner.Nonce = "" })},
		"claim without a step":                   {"", nil, claimWith(func(c *payment.Claim) { c.Attempt.Steps = nil })},
		"claim without account":                  {"", nil, claimWith(func(c *payment.Claim) { c.Attempt.Account = "" })},
		"claim without a resend window":          {"", nil, claimWith(func(c *payment.Claim) { c.Attempt.ResendNotAfter = time.Time{} })},
		"takeover with the old nonce":            {payment.StateIntent, nil, payment.TakeOver{Owner: payment.Ownership{Boot: "b", Nonce: "n1"}}},
		"takeover without nonce":                 {payment.StateIntent, nil, payment.TakeOver{Owner: payment.Ownership{Boot: "b"}}},
		"fence without owner":                    {payment.StateUnknown, func(op *payment.Operation) { op.Owner = "" }, moves()["fence"]},
		"failover without owner":                 {payment.StateFencing, func(op *payment.Operation) { op.Owner = "" }, failOver},
		"failover at the deadline":               {payment.StateIntent, nil, with(func(f *payment.FailOver) { f.At = at().Add(2 * time.Minute) })},
		"failover to the account that was tried": {payment.StateIntent, nil, with(func(f *payment.FailOver) { f.Attempt = attemptOn("a") })},
		"failover without a step":                {payment.StateIntent, nil, with(func(f *payment.FailOver) { f.Attempt.Steps = nil })},
		"failover without a resend window":       {payment.StateIntent, nil, with(func(f *payment.FailOver) { f.Attempt.ResendNotAfter = time.Time{} })},
		"a state of another version":             {payment.StateIntent, func(op *payment.Operation) { op.State = "PAUSED" }, moves()["succeed"]},
		"parking a state of another version":     {payment.StateIntent, func(op *payment.Operation) { op.State = "PAUSED" }, moves()["park"]},
		"a record without attempts":              {payment.StateIntent, func(op *payment.Operation) { op.Attempts = nil }, moves()["park"]},
	} {
		t.Run(name, func(t *testing.T) {
			op := in(t, c.from)
			if c.change != nil {
				c.change(&op)
			}
			if _, err := op.Next(c.move); !errors.Is(err, payment.ErrIllegalTransition) {
				t.Errorf("Next = %v, want ErrIllegalTransition", err)
			}
		})
	}
}

// Goal: what each transition writes besides the state.
func TestWhatTransitionsWrite(t *testing.T) {
	op := in(t, payment.StateIntent)
	if op.Epoch != 1 || op.Owner != "boot1" || op.Nonce != "n1" || !op.OwnerUntil.Equal(at().Add(90*time.Second)) || !op.NextCheck.Equal(op.OwnerUntil) ||
		op.Key != claim().Call.OperationKey() || op.Attempts[0].Ordinal != 1 || op.Attempts[0].Epoch != 1 || string(op.Sealed) != "sealed" {
		t.Errorf("a claim wrote %+v", op)
	}

	parked, err := op.Next(payment.Park{Report: payment.Report{Sends: 3, Uncertain: true, Evidence: payment.EvidenceUnknown, MappingRow: "r"}, Reason: "why", At: at(), Due: at().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	a := parked.Current()
	if parked.Owner != "" || !parked.OwnerUntil.IsZero() || parked.Epoch != 1 || parked.Nonce != "n1" || !parked.NextCheck.Equal(at().Add(time.Hour)) ||
		parked.ParkReason != "why" || a.Sends != 3 || !a.Uncertain || !a.Closed.IsZero() || parked.Sealed == nil {
		t.Errorf("a park wrote %+v", parked)
	}

	taken, err := parked.Next(moves()["take over"])
	if err != nil {
		t.Fatal(err)
	}
	if taken.Owner != "boot2" || taken.Epoch != 2 || taken.Nonce != "n2" || taken.Attempts[0].Epoch != 1 || !taken.Attempts[0].Uncertain {
		t.Errorf("a takeover wrote %+v", taken)
	}

	quiet, err := taken.Next(payment.Park{At: at(), Due: at().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := quiet.Current(); got.Sends != 3 || !got.Uncertain || got.Evidence != payment.EvidenceUnknown || got.MappingRow != "r" {
		t.Errorf("a report that knows nothing erased what was known: %+v", got)
	}

	failed, err := op.Next(moves()["fail over, sticky"])
	if err != nil {
		t.Fatal(err)
	}
	if len(failed.Attempts) != 2 || !failed.Attempts[0].Closed.Equal(at()) || failed.Attempts[0].Evidence != payment.EvidenceNoEffectSticky ||
		failed.Attempts[1].Ordinal != 2 || failed.Attempts[1].Epoch != 1 || !failed.Attempts[1].Closed.IsZero() || failed.Owner != "boot1" ||
		!failed.OwnerUntil.Equal(at().Add(time.Minute)) || !failed.NextCheck.Equal(failed.OwnerUntil) {
		t.Errorf("a failover wrote %+v", failed)
	}

	fenced, err := op.Next(moves()["fence"])
	if err != nil {
		t.Fatal(err)
	}
	if step, ok := fenced.Current().Step(payment.StepCancel(1)); !ok || step.Key != "k2" || len(op.Current().Steps) != 1 {
		t.Errorf("a fence wrote %+v", fenced.Current())
	}

	done, err := parked.Next(payment.Settle{State: payment.StateDeclined, Report: payment.Report{Evidence: payment.EvidenceNoEffectSticky}, Decline: &payment.Decline{Code: "x"}, At: at(), Due: at().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if done.Owner != "" || done.Sealed != nil || !done.NextCheck.IsZero() || !done.Completed.Equal(at()) || !done.Current().Closed.Equal(at()) || done.Decline.Code != "x" || done.ParkReason != "" {
		t.Errorf("a decline wrote %+v", done)
	}

	pending, err := op.Next(payment.Settle{State: payment.StateRequiresAction, Report: payment.Report{Evidence: payment.EvidencePending, ProviderReference: "obj", NextAction: &payment.NextAction{RedirectURL: "u"}}, At: at(), Due: at().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if pending.Sealed == nil || pending.Owner != "" || !pending.NextCheck.Equal(at().Add(time.Hour)) || !pending.Completed.IsZero() || !pending.Current().Closed.IsZero() ||
		pending.Current().ProviderReference != "obj" || pending.Current().NextAction.RedirectURL != "u" {
		t.Errorf("an outcome that is not final wrote %+v", pending)
	}
}
