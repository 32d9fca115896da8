package providertest

import (
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func sampleProperties() []property {
	return []property{
		{"every documented answer has its row, and proves what the row says", documented},
		{"a documented decline is told as one", declined},
		{"a refusal in the status of a fault proves nothing", refusedByFault},
	}
}

// given makes the server answer as the sample, asks what it answers, and judges.
func (w *world) given(s Sample) (payment.Answer, payment.Verdict) {
	w.Helper()
	w.server.will(says(s.Response))
	switch s.Answers {
	case ToQuery:
		return w.ask(s.Send, mapping.Query)
	case ToFenced:
		return w.ask(s.Send, mapping.Fenced)
	case ToSend:
	}
	return w.send(s.Send)
}

// Goal: what the provider documents is understood as documented. Method: every
// sample over the wire to the table.
func documented(w *world) {
	for _, s := range w.Samples {
		a, v := w.given(s)
		if v.Row != s.Row || v.Evidence != s.Evidence {
			w.Errorf("%s: %s proves %s, want %s proves %s (answer %+v)", s.Name, v.Row, v.Evidence, s.Row, s.Evidence, a)
		}
		if v.Evidence == payment.EvidenceEffect && a.Reference == "" {
			w.Errorf("%s: an effect without the provider's id of it", s.Name)
		}
	}
}

// Goal: a "no" is told as a decline, with words that are safe for a shopper.
func declined(w *world) {
	shown := false
	for _, s := range w.Samples {
		a, v := w.given(s)
		if v.Category.Decline() && v.Evidence != payment.EvidencePending && !s.Declined {
			w.Errorf("%s is told as a decline", s.Name)
		}
		if !s.Declined {
			continue
		}
		shown = true
		d := w.table.Decline(v, a)
		negative := v.Evidence == payment.EvidenceNoEffectSticky || v.Evidence == payment.EvidenceNoEffectNotSticky
		if !negative || !v.Category.Decline() || d.Code == "" || d.ShopperCode == "" {
			w.Errorf("%s: %s proves %s, category %s, told as %+v", s.Name, v.Row, v.Evidence, v.Category, d)
		}
	}
	if !shown {
		w.Errorf("no sample shows a decline")
	}
}

// Goal: a body is not believed against its status. Method: every sample that
// proves something, with statuses under which nothing is certain.
func refusedByFault(w *world) {
	for _, s := range w.Samples {
		for _, status := range []int{302, 500, 503} {
			s.Response = providers.Response{Status: status, Header: s.Response.Header, Body: s.Response.Body}
			if a, v := w.given(s); v.Evidence != payment.EvidenceUnknown {
				w.Errorf("%s with status %d: %s proves %s (code %q)", s.Name, status, v.Row, v.Evidence, a.Code)
			}
		}
	}
}

func amountProperties() []property {
	return []property{
		{"an effect says what was applied", saysAmount},
		{"money of another kind, or none, is no effect", strangeMoney},
	}
}

// Goal: a part is told as a part. Method: the whole amount, and a part of it.
func saysAmount(w *world) {
	for _, s := range w.sends() {
		if !w.able(CanSayAmount(s.Method)) || !w.able(CanFinish(s.Method)) {
			continue
		}
		for _, units := range []int64{s.Amount.MinorUnits, s.Amount.MinorUnits / 2} {
			want := payment.Money{MinorUnits: units, CurrencyCode: s.Amount.CurrencyCode}
			w.server.will(says(w.Done(s, want)))
			if a, v := w.send(s); v.Evidence != payment.EvidenceEffect || a.Amount == nil || *a.Amount != want {
				w.Errorf("%s of %s: %s proves %s, amount %v", s.Method, want, v.Row, v.Evidence, a.Amount)
			}
		}
	}
}

// Goal: an answer about money that was not asked for is not taken for the one
// that was. Method: amounts of nothing, of less, and in another currency, to the
// send and to a look-up.
func strangeMoney(w *world) {
	for _, s := range w.sends() {
		if !w.able(CanSayAmount(s.Method)) {
			continue
		}
		for _, m := range []payment.Money{
			{MinorUnits: 0, CurrencyCode: s.Amount.CurrencyCode},
			{MinorUnits: -s.Amount.MinorUnits, CurrencyCode: s.Amount.CurrencyCode},
			{MinorUnits: s.Amount.MinorUnits, CurrencyCode: "USD"},
			{MinorUnits: s.Amount.MinorUnits, CurrencyCode: ""},
		} {
			what := fmt.Sprintf("%s of %d %q", s.Method, m.MinorUnits, m.CurrencyCode)
			if w.cannot(CanFinish(s.Method)) == "" {
				w.server.will(says(w.Done(s, m)))
				if a, v := w.send(s); effective(v.Evidence) {
					w.Errorf("%s: %s proves %s (answer %+v)", what, v.Row, v.Evidence, a)
				}
			}
			q := s
			if !w.traits.Finds(q.Method, "") {
				q.ProviderReference = "obj_known"
			}
			if q.Method == payment.MethodComplete || !w.traits.Finds(q.Method, q.ProviderReference) {
				continue // the authorization of a completion is looked up
			}
			w.server.will(says(w.Found(q, m)))
			if a, v := w.ask(q, mapping.Query); effective(v.Evidence) {
				w.Errorf("look-up of %s: %s proves %s (answer %+v)", what, v.Row, v.Evidence, a)
			}
		}
	}
}
