package payment

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// AttentionKind says why a person must look.
type AttentionKind string

// The kinds of attention.
const (
	// AttentionOrphan: an authentic event is about nothing that we know.
	AttentionOrphan AttentionKind = "orphan"
	// AttentionContradiction: news contradicts a record that is final. The record stays.
	AttentionContradiction AttentionKind = "contradiction"
	// AttentionSecondEffect: an effect exists that the record does not know of;
	// with the one that it knows there may be two.
	AttentionSecondEffect AttentionKind = "second_effect"
	// AttentionUnfit: an authentic event makes no sense to us.
	AttentionUnfit AttentionKind = "unfit"
	// AttentionStuck: nothing that acquit may do by itself can settle the operation.
	AttentionStuck AttentionKind = "stuck"
)

// Attention is one thing that a person must look at. It lasts until a person
// ends it, and holds nothing secret.
type Attention struct {
	ID        string            `json:"id"`               // see Identified
	Tenant    TenantID          `json:"tenant,omitempty"` // "" where nobody's is known: of an orphan
	Kind      AttentionKind     `json:"kind"`
	Account   AccountName       `json:"account"`
	Operation OperationID       `json:"operation,omitempty"`
	Payment   ID                `json:"payment,omitempty"`
	Object    ProviderReference `json:"object,omitempty"` // the provider's id of what it is about
	Summary   string            `json:"summary"`          // in one sentence, for people
	Event     *Event            `json:"event,omitempty"`  // that told it; nil if a look-up or a send did
	Time      time.Time         `json:"time"`             // when it was found
}

// Identified returns the attention with its id: 32 hex characters that are the
// same whenever and by whomever the same thing is found, so that it is one record.
func (a Attention) Identified() Attention {
	event := ""
	if a.Event != nil {
		event = a.Event.ID
	}
	sum := digest("acquit-attention-1", string(a.Tenant), string(a.Kind), string(a.Account), string(a.Operation), string(a.Payment), string(a.Object), event)
	a.ID = hex.EncodeToString(sum[:sha256.Size/2])
	return a
}
