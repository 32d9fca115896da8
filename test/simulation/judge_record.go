package simulation

import (
	"bytes"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// version judges a new version of an operation's record against the one before;
// old is zero for the first.
func (j *judge) version(old, now payment.Operation) {
	h, name := j.w.history, j.name(now.Key)
	if old.State != "" {
		j.terminal(old, now)
		j.moves(old, now)
		j.keeps(old, now)
	}
	if len(now.Attempts) > len(old.Attempts) && old.State != "" {
		h.saw("failover")
		if why := j.doubt(old, len(old.Attempts)-1, now.Attempts[len(old.Attempts)-1].Evidence); why != "" {
			h.violate("I12", "%s went on to %s, but %s", name, now.Current().Account, why)
		}
	}
	switch {
	case negative(now.State) && !negative(old.State):
		if why := j.undecided(old, now); why != "" {
			h.violate("I8", "%s is %s, but %s", name, now.State, why)
		}
	case now.State == payment.StateSucceeded && old.State != payment.StateSucceeded:
		h.saw("done: " + string(now.Method))
	case now.State == payment.StateUnknown && old.State != payment.StateUnknown:
		h.saw("park")
	}
	if now.State == payment.StateFencing && now.Epoch > old.Epoch {
		h.saw("takeover of a fence")
	}
	if now.Epoch > old.Epoch && old.State != "" {
		h.saw("takeover")
		if old.State == payment.StateIntent {
			h.saw("takeover from an owner that was gone")
		}
	}
	if now.Method == payment.MethodComplete {
		j.joint(old, now)
	}
	if callsOff(now) {
		j.callOff(old, now)
	}
	h.logf("  %s is %s, epoch %d, attempts %d%s", name, now.State, now.Epoch, len(now.Attempts), parked(now))
}

func parked(op payment.Operation) string {
	if op.State == payment.StateUnknown {
		return ": " + op.ParkReason
	}
	return ""
}

// terminal is I3: a terminal record never changes, nor do response bytes.
func (j *judge) terminal(old, now payment.Operation) {
	if final(old.State) {
		j.w.history.violate("I3", "%s was %s and is %s", j.name(now.Key), old.State, now.State)
	}
	if old.Response != nil && !bytes.Equal(old.Response, now.Response) {
		j.w.history.violate("I3", "the stored response of %s changed", j.name(now.Key))
	}
}

// moves is I10: epochs only rise, states move only along section 3.
func (j *judge) moves(old, now payment.Operation) {
	h, name := j.w.history, j.name(now.Key)
	taken := now.Epoch == old.Epoch+1 && now.Nonce != old.Nonce
	switch {
	case now.Epoch < old.Epoch || now.Epoch > old.Epoch+1:
		h.violate("I10", "%s went from epoch %d to %d", name, old.Epoch, now.Epoch)
	case now.Epoch == old.Epoch && now.Nonce != old.Nonce, now.Epoch > old.Epoch && now.Nonce == old.Nonce:
		h.violate("I10", "%s: epoch %d after %d, but another owner: %t", name, now.Epoch, old.Epoch, now.Nonce != old.Nonce)
	case !slices.Contains(follows(old.State, taken), now.State):
		h.violate("I10", "%s went from %s to %s, taken over: %t", name, old.State, now.State, taken)
	case now.State == payment.StateIntent && old.State != payment.StateIntent && !taken && len(now.Attempts) == len(old.Attempts):
		h.violate("I10", "%s is an intent again without an owner", name)
	}
}

// follows lists where an operation may go from a state (section 3).
func follows(s payment.State, taken bool) []payment.State {
	if taken {
		if s == payment.StateUnknown {
			return []payment.State{payment.StateIntent}
		}
		return []payment.State{s}
	}
	outcomes := []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed}
	switch s {
	case payment.StateIntent:
		return append(outcomes, payment.StateIntent, payment.StatePending, payment.StateRequiresAction, payment.StateUnknown, payment.StateFencing)
	case payment.StateUnknown:
		return append(outcomes, payment.StateUnknown, payment.StatePending, payment.StateRequiresAction, payment.StateFencing)
	case payment.StateFencing:
		return append(outcomes, payment.StateFencing, payment.StateIntent)
	case payment.StateRequiresAction: // a completion may hear that it is pending
		return append(outcomes, s, payment.StatePending, payment.StateFencing)
	case payment.StatePending:
		return append(outcomes, s, payment.StateFencing)
	case payment.StateSucceeded, payment.StateDeclined, payment.StateFailed:
	}
	return nil
}

// sameStep reports whether a step is what it was, but for what its cancel has become
// known by since.
func sameStep(now, before payment.Step) bool {
	if before.Reference == "" && before.Name.Fence() {
		before.Reference = now.Reference
	}
	return now == before
}

// keeps is I9 as the record shows it: what one owner wrote, no other undid.
func (j *judge) keeps(old, now payment.Operation) {
	h, name := j.w.history, j.name(now.Key)
	if now.Amount != old.Amount || now.PaymentID != old.PaymentID || now.Held != old.Held || !now.Created.Equal(old.Created) {
		h.violate("I9", "%s is another operation than was claimed", name)
	}
	if len(now.Attempts) < len(old.Attempts) {
		h.violate("I9", "%s lost an attempt", name)
		return
	}
	for n, before := range old.Attempts {
		after := now.Attempts[n]
		if after.Account != before.Account || after.Target != before.Target || !after.ResendNotAfter.Equal(before.ResendNotAfter) ||
			!slices.EqualFunc(after.Steps[:min(len(after.Steps), len(before.Steps))], before.Steps, sameStep) {
			h.violate("I9", "attempt %d of %s is not what it was made as", n+1, name)
		}
		if after.Sends < before.Sends || before.Uncertain && !after.Uncertain {
			h.violate("I9", "%s forgot what was known of attempt %d", name, n+1)
		}
	}
}

// filed is I5 as the index shows it.
func (j *judge) filed(op payment.Operation) {
	h, name := j.w.history, j.name(op.Key)
	entry, open := j.open[op.Key]
	switch {
	case final(op.State) == open:
		h.violate("I5", "%s is %s, in the index of open operations: %t", name, op.State, open)
	case open && (!entry.Due.Equal(op.NextCheck) || entry.Due.IsZero()):
		h.violate("I5", "%s is never due", name)
	case final(op.State) == (op.Sealed != nil):
		h.violate("I5", "%s is %s and keeps its sealed request: %t", name, op.State, op.Sealed != nil)
	case answers(op.State) != (op.Response != nil) && op.State != payment.StateFencing:
		h.violate("I5", "%s is %s, has a response: %t", name, op.State, op.Response != nil)
	case op.State == payment.StateIntent && op.Owner == "":
		h.violate("I5", "%s is an intent that nobody owns", name)
	}
}

// undecided says why an operation may not be negative now; "" if it may.
func (j *judge) undecided(old, now payment.Operation) string {
	if callsOff(now) {
		return "" // it is sent nowhere; callOff judges its end
	}
	if now.Method == payment.MethodComplete {
		return j.aloneInDoubt(now, now.Current().Evidence)
	}
	return j.doubt(old, len(now.Attempts)-1, now.Current().Evidence)
}

// doubt says why the n-th attempt of an operation is not closed by allowed
// evidence; "" if it is. It asks the provider, not the record.
func (j *judge) doubt(op payment.Operation, n int, e payment.Evidence) string {
	a := op.Attempts[n]
	p := j.provider(a.Account)
	for _, o := range p.objects {
		if o.method == op.Method && o.reference == op.Reference {
			if o.status == isNegative || o.status == isCancelled {
				return "" // executed without effect, and kept under the key; or a completed fence
			}
			return "there is an object at " + string(p.name) + ": " + string(o.status)
		}
	}
	switch {
	case e == payment.EvidenceNoEffectSticky:
		return string(p.name) + " never executed it"
	case p.mayRepeat:
		return "what stands before " + string(p.name) + " may repeat requests"
	case a.Epoch != op.Epoch:
		return "an owner before this one may have sent it"
	}
	for _, c := range j.w.copies {
		if c.account == p && c.request.reference == op.Reference {
			return "a copy is on its way"
		}
	}
	return j.unrefused(op, p)
}

// unrefused says which send of an attempt was not refused; "" if all were.
func (j *judge) unrefused(op payment.Operation, p *provider) string {
	refused := 0
	for _, s := range j.w.sends {
		if s.account != p || s.request.reference != op.Reference {
			continue
		}
		if s.outcome != outcomeRefused {
			return "what came of the send of " + s.label.String() + " is " + string(s.outcome)
		}
		refused++
	}
	if refused == 0 {
		return "nothing was sent to " + string(p.name)
	}
	return ""
}

// takeWrites is I9 as the writers see it: whoever is told that he wrote finds in
// the ledger what he wrote.
func (j *judge) takeWrites() {
	j.w.mu.Lock()
	list := j.w.writes
	j.w.writes = nil
	j.w.mu.Unlock()
	slices.SortStableFunc(list, func(a, b write) int { return a.by.compare(b.by) })
	for _, w := range list {
		j.told(w)
	}
}

func (j *judge) told(w write) {
	h, name := j.w.history, j.name(w.want.Key)
	switch {
	case w.fenced:
		h.saw("fenced")
		if w.got.State == payment.StateFencing && w.want.State == payment.StateSucceeded {
			h.saw("late outcome under a fence")
		}
		h.logf("  %s is fenced from %s", w.by, name)
	case w.moved:
		h.saw("payment moved")
		h.logf("  the payment of %s moved under %s", name, w.by)
	case w.got.Nonce != w.want.Nonce, w.got.Epoch != w.want.Epoch, w.got.State != w.want.State, len(w.got.Attempts) != len(w.want.Attempts):
		h.violate("I9", "%s was told that its write of %s was made, but %s is %s", w.by, w.want.State, name, w.got.State)
	}
}

// written is I9 as the store sees it: of all who hold a revision one can commit,
// so each version was written by somebody who held the one before.
func (j *judge) written(k payment.OperationKey, revision, basis int64) {
	before := j.revisions[k]
	if revision == before {
		return
	}
	j.revisions[k] = revision
	if basis != before {
		j.w.history.violate("I9", "%s wrote %s, but does not hold what was written before", j.writer, j.name(k))
	}
}
