package payment

// Report is what is known about the open attempt when something is committed.
type Report struct {
	Sends             int  // in all, this flight's included
	Uncertain         bool // a send so far ended in unknown
	Stopped           bool // no further copy is of use; see Attempt
	Released          bool // what was done is undone; see Attempt
	Evidence          Evidence
	MappingRow        string
	HTTPStatus        int
	Code              string
	RequestID         string
	ProviderReference ProviderReference
	Cancel            Cancel // what a cancel that was sent is called
	NextAction        *NextAction
	Trace             string // see Attempt
}

// Cancel is the provider's name for a cancel.
type Cancel struct {
	Step      StepName
	Reference ProviderReference
}

// Seen is the operation as a caller is shown it while its flight goes on: with
// what has been learned since the last commit, and unknown as soon as a send is
// in doubt. It is never stored.
func (op Operation) Seen(r Report) Operation {
	if op.State != StateIntent {
		return op
	}
	seen := op.clone()
	report(&seen, r)
	if r.Uncertain || current(&seen).Epoch < seen.Epoch {
		seen.State = StateUnknown
	}
	return seen
}

// Closable reports whether the report closes the open attempt, so that the
// operation may fail, be declined, or go on with another account.
//
// Sticky evidence always closes. Evidence that is not sticky closes only an
// attempt that this very ownership created and of which no send ended in
// unknown: otherwise an earlier copy may still have its effect.
func (op Operation) Closable(r Report) bool {
	switch r.Evidence {
	case EvidenceNoEffectSticky:
		return true
	case EvidenceNoEffectNotSticky:
		a := op.Current()
		return op.State == StateIntent && a.Epoch == op.Epoch && !a.Uncertain && !r.Uncertain
	case EvidenceEffect, EvidencePending, EvidenceUnknown:
		return false
	}
	return false
}

// report writes what is known onto the open attempt; nothing known is lost by
// a report that knows less.
func report(op *Operation, r Report) {
	a := current(op)
	a.Sends = max(a.Sends, r.Sends)
	a.Uncertain = a.Uncertain || r.Uncertain
	a.Stopped = a.Stopped || r.Stopped
	a.Released = a.Released || r.Released
	if r.Evidence != "" {
		a.Evidence, a.MappingRow, a.HTTPStatus, a.Code, a.RequestID = r.Evidence, r.MappingRow, r.HTTPStatus, r.Code, r.RequestID
	}
	if r.ProviderReference != "" {
		a.ProviderReference = r.ProviderReference
	}
	for i := range a.Steps {
		if s := &a.Steps[i]; s.Name == r.Cancel.Step && s.Name.Fence() && s.Reference == "" {
			s.Reference = r.Cancel.Reference
		}
	}
	if r.NextAction != nil {
		a.NextAction = r.NextAction
	}
	if r.Trace != "" {
		a.Trace = r.Trace
	}
}
