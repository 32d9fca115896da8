package payment

import "time"

// CallsOff reports whether the operation is a void of an authorization that had not
// ended when it was claimed. It sends nothing and holds nothing: it has its parent
// cancelled, and how that ends is its own end; see EndCallOff.
func (op Operation) CallsOff() bool {
	_, looks := op.Current().Step(StepLook)
	return op.Method == MethodVoid && looks
}

// CalledOff reports whether the operation is an authorization that an open void wants
// to be cancelled, so that nobody waits for it any more. It ends as one that nobody
// waits for does, by what proves that and never by the void.
func (op Operation) CalledOff() bool {
	return OperationKey{ID: op.Child}.Method() == MethodVoid
}

// EndCallOff is how a void ends that called off the operation, which is final now. r
// is what is known of the void itself.
//
// The void succeeds if the authorization has ended without an effect, whoever ended
// it: nothing is held, and nothing ever will be. It fails if the authorization has
// succeeded first: the money is held, or was taken, and the payment shows it.
func (op Operation) EndCallOff(r Report, at time.Time) Settle {
	a := op.Current()
	r.MappingRow, r.HTTPStatus, r.Code, r.RequestID = a.MappingRow, a.HTTPStatus, a.Code, a.RequestID
	if op.State != StateSucceeded {
		r.Evidence = EvidenceEffect
		return Settle{Report: r, State: StateSucceeded, At: at}
	}
	// Nothing was sent for it and nothing ever is, so it is proven to have no effect.
	r.Evidence = EvidenceNoEffectSticky
	return Settle{Report: r, State: StateFailed, At: at, Failure: &Failure{
		Category: CategoryStateConflict, Code: "authorized_first", ProviderCode: a.Code,
		Message: "the authorization succeeded before it could be cancelled; void or refund what the payment shows, with another key",
	}}
}
