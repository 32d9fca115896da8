package mapping

import (
	"iter"
	"slices"
	"strconv"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Table is the loaded mapping table. It is immutable and safe for concurrent use.
type Table struct {
	rows  []Row // drivers by name, any last; within a file as it stands there
	index map[match]int
	ids   map[string]int
}

// Explanation is how an answer found its row.
type Explanation struct {
	Verdict payment.Verdict `json:"verdict"`
	Row     Row             `json:"row"`
	// Rungs are the rungs of the ladder that were tried, the last being the one
	// that fitted.
	Rungs []Rung `json:"rungs"`
	// Hint says what the provider's hint changed; "" if nothing.
	Hint string `json:"hint,omitempty"`
}

// Rung is one look at the table.
type Rung struct {
	Name string `json:"name"`
	// Row is the id of the row found there; "" if there is none.
	Row string `json:"row,omitempty"`
	// Refused says why that row may not speak about this answer; "" if it may.
	Refused string `json:"refused,omitempty"`
}

// Rows returns every row, drivers by name first, the rows for every driver last.
func (t *Table) Rows() []Row { return slices.Clone(t.rows) }

// Row finds a row by its id.
func (t *Table) Row(id string) (Row, bool) {
	i, ok := t.ids[id]
	if !ok {
		return Row{}, false
	}
	return t.rows[i], true
}

// Judge says what an answer proves. m is the operation whose send was answered,
// Query for a look-up, Fence for the answer to a cancel, or Fenced for a look-up
// after one. It is total: whatever no row names is unknown.
func (t *Table) Judge(driver string, m payment.Method, a payment.Answer) payment.Verdict {
	for r := range ladder(driver, m, a) {
		i, found := t.index[r.match]
		if found && refusal(t.rows[i], m, a) == "" {
			v, _ := verdict(t.rows[i], m, a.Hint)
			return v
		}
	}
	// The last rung always fits; this line is for a reader, not for an answer.
	return payment.Verdict{Row: unknownRow, Evidence: payment.EvidenceUnknown, Category: payment.CategoryAmbiguous, Resend: payment.ResendNever, Alert: true}
}

// Explain judges like Judge and tells how it came to the verdict.
func (t *Table) Explain(driver string, m payment.Method, a payment.Answer) Explanation {
	var e Explanation
	for r := range ladder(driver, m, a) {
		step := Rung{Name: r.name}
		i, found := t.index[r.match]
		if found {
			step.Row, step.Refused = t.rows[i].ID, refusal(t.rows[i], m, a)
		}
		e.Rungs = append(e.Rungs, step)
		if found && step.Refused == "" {
			e.Row = t.rows[i]
			break
		}
	}
	e.Verdict, e.Hint = verdict(e.Row, m, a.Hint)
	return e
}

// rung is a place where a row may stand for an answer.
type rung struct {
	name  string
	match match
}

// ladder yields the rungs for an answer, the most specific first.
func ladder(driver string, m payment.Method, a payment.Answer) iter.Seq[rung] {
	return func(yield func(rung) bool) {
		if a.Transport == payment.TransportAnswered {
			if a.Code != "" && !codes(driver, m, a, yield) {
				return
			}
		}
		if m == Fenced { // but for what the object says it is a look-up like any other
			m = Query
		}
		if a.Transport == payment.TransportAnswered {
			if !statuses(driver, m, a, yield) {
				return
			}
		} else if a.Transport != "" && !both(Any, m, "every driver + transport", match{transport: a.Transport}, yield) {
			return
		}
		yield(rung{"unknown", match{driver: Any, operation: Any}})
	}
}

// statuses yields the rungs of a response's HTTP status and reports whether to go on.
func statuses(driver string, m payment.Method, a payment.Answer, yield func(rung) bool) bool {
	class := httpClass(a.HTTPStatus)
	if class == "" {
		return true
	}
	status := strconv.Itoa(a.HTTPStatus)
	return both(driver, m, "driver + HTTP status", match{http: status}, yield) &&
		both(driver, m, "driver + HTTP class", match{http: class}, yield) &&
		both(Any, m, "every driver + HTTP status", match{http: status}, yield) &&
		both(Any, m, "every driver + HTTP class", match{http: class}, yield)
}

// codes yields the rungs of a response that carries a code. Unlike the HTTP
// rungs, all of the operation's own come before those of any operation.
func codes(driver string, m payment.Method, a payment.Answer, yield func(rung) bool) bool {
	for _, op := range []payment.Method{m, Any} {
		prefix := "driver + code"
		if op == m {
			prefix = "driver + operation + code"
		}
		if a.Decline != "" && !yield(rung{prefix + " + decline", match{driver: driver, operation: op, code: a.Code, decline: a.Decline}}) {
			return false
		}
		if !yield(rung{prefix, match{driver: driver, operation: op, code: a.Code}}) {
			return false
		}
	}
	return true
}

// both yields a rung for the operation itself and then for any.
func both(driver string, m payment.Method, name string, k match, yield func(rung) bool) bool {
	k.driver, k.operation = driver, m
	if !yield(rung{name + " + operation", k}) {
		return false
	}
	k.operation = Any
	return yield(rung{name, k})
}

// refusal says why a row that matches may not speak about an answer; "" if it
// may. Only claims are refused: a row that says unknown takes nothing for granted.
func refusal(r Row, m payment.Method, a payment.Answer) string {
	if !r.claims() {
		return ""
	}
	class := httpClass(a.HTTPStatus)
	switch {
	case m == Fenced && r.Operation != Fenced:
		return "what a cancel on its way can still change is said by rows for a look-up after a fence alone"
	case m == Query && r.Operation == Any && r.noEffect():
		return "the refusal of a look-up says nothing about the send it asks about"
	case a.Transport != payment.TransportAnswered:
		return ""
	case class != "2xx" && class != "4xx":
		return "a status outside 2xx and 4xx proves nothing"
	case r.noEffect():
		return ""
	case class != "2xx":
		return "only a 2xx shows that something was accepted"
	case r.Evidence == payment.EvidenceEffect && a.Reference == "":
		return "an effect is shown only together with the provider's id of it"
	}
	return ""
}

// verdict applies the provider's hint, which bears on resending only, and only
// where resending is a question at all. The answer to a cancel closes no attempt, so
// it allows no other account, even where it is judged by a row for any operation.
func verdict(r Row, m payment.Method, h payment.Hint) (payment.Verdict, string) {
	v := payment.Verdict{Row: r.ID, Evidence: r.Evidence, Category: r.Category, Resend: r.Resend, Failover: r.Failover && m != Fence, Alert: r.Alert}
	if v.Evidence != payment.EvidenceUnknown && v.Evidence != payment.EvidenceNoEffectNotSticky {
		return v, ""
	}
	switch h {
	case payment.HintStop, payment.HintLater:
		if v.Resend != payment.ResendNever {
			v.Resend = payment.ResendNever
			return v, "the provider asks not to send again"
		}
	case payment.HintRetry:
		if v.Resend == payment.ResendNever {
			v.Resend = payment.ResendBackoff
			return v, "the provider asks to send again"
		}
	case payment.HintNone:
	}
	return v, ""
}
