package payment

import (
	"slices"
	"time"
)

// State is where an operation stands.
type State string

// The states of an operation. Next is the only code that moves between them.
const (
	// StateIntent: recorded and owned by a process that works on it. Entered by
	// the claim, by a takeover of an unknown operation, or by a failover from a
	// completed fence; left by an outcome or by parking.
	StateIntent State = "INTENT"
	// StateUnknown: parked; a request may or may not have had its effect. Left when
	// somebody takes it up again or late news settles it.
	StateUnknown State = "UNKNOWN"
	// StateFencing: a fence (cancel) was decided; nothing but the object read after
	// the fence settles it.
	StateFencing State = "FENCING"
	// StatePending: the provider accepted and will tell the outcome later.
	StatePending State = "PENDING"
	// StateRequiresAction: the shopper must act first.
	StateRequiresAction State = "REQUIRES_ACTION"
	// StateSucceeded: the effect exists. Final.
	StateSucceeded State = "SUCCEEDED"
	// StateDeclined: the provider said no; no effect exists or ever will. Final.
	StateDeclined State = "DECLINED"
	// StateFailed: ended without effect for another reason. Final.
	StateFailed State = "FAILED"
)

// Final reports whether the state never changes again.
func (s State) Final() bool {
	return s == StateSucceeded || s == StateDeclined || s == StateFailed
}

// known reports whether s is one of the states above.
func (s State) known() bool {
	switch s {
	case StateIntent, StateUnknown, StateFencing, StatePending, StateRequiresAction, StateSucceeded, StateDeclined, StateFailed:
		return true
	}
	return false
}

// Answers reports whether entering the state fixes the operation's response bytes.
func (s State) Answers() bool {
	return s.Final() || s == StatePending || s == StateRequiresAction
}

// Operation is the durable record of one keyed call: the truth about it.
type Operation struct {
	Key         OperationKey `json:"key"`
	Method      Method       `json:"method"`
	Reference   ReferenceID  `json:"reference"`
	Fingerprint Fingerprint  `json:"fingerprint"`
	PaymentID   ID           `json:"payment_id"`
	Parent      OperationID  `json:"parent,omitempty"`

	State      State     `json:"state"`
	Epoch      int64     `json:"epoch"`
	Owner      BootID    `json:"owner,omitempty"`       // who works on it; "" when nobody: then no in-flight marker exists
	Nonce      string    `json:"nonce"`                 // fresh at every claim and takeover: tells my write from another's
	OwnerUntil time.Time `json:"owner_until,omitzero"`  // until then the owner is left alone
	Created    time.Time `json:"created"`               // when it was claimed
	Deadline   time.Time `json:"deadline"`              // last moment for another attempt
	ResolveBy  time.Time `json:"resolve_by"`            // an Authorize is completed until then, afterwards queried and fenced
	NextCheck  time.Time `json:"next_check,omitzero"`   // when somebody should look at it again; zero once final
	Completed  time.Time `json:"completed,omitzero"`    // when it became final
	Halted     bool      `json:"halted,omitempty"`      // nothing more is sent for it until a person has looked; see Halt
	ParkReason string    `json:"park_reason,omitempty"` // why it was last parked, for people

	Amount   Money     `json:"amount"`
	Held     int64     `json:"held,omitempty"`   // what of the payment it reserves until it is final, in minor units
	Last     bool      `json:"last,omitempty"`   // a capture after which the rest of the hold is released
	Sealed   []byte    `json:"sealed,omitempty"` // the encrypted Instruction; erased when final
	Attempts []Attempt `json:"attempts"`
	Decline  *Decline  `json:"decline,omitempty"`
	Failure  *Failure  `json:"failure,omitempty"`
	Response []byte    `json:"response,omitempty"` // written once, on entering a state that Answers
	// Child is the open operation that goes on with this authorization; see Joint. Of
	// an authorization that waits for the shopper or is being cancelled; "" if none is.
	Child OperationID `json:"child,omitempty"`
}

// Attempt is one provider account chosen for an operation.
type Attempt struct {
	Ordinal           int               `json:"ordinal"` // from 1
	Account           AccountName       `json:"account"`
	Target            Target            `json:"target"`
	Credential        string            `json:"credential"`                 // id of the credential, never the credential
	Reference         ReferenceID       `json:"reference"`                  // what we send as our reference
	Parent            ProviderReference `json:"parent,omitempty"`           // the provider's id of the object it acts on, as of the intent
	ParentReference   ReferenceID       `json:"parent_reference,omitempty"` // ours, of the authorization that it completes
	ProviderReference ProviderReference `json:"provider_reference,omitempty"`
	Epoch             int64             `json:"epoch"` // the epoch that created it
	Created           time.Time         `json:"created"`
	Deadline          time.Time         `json:"deadline"`         // the owner's last send of it ends before this
	ResendNotAfter    time.Time         `json:"resend_not_after"` // no send later than this: the provider may have forgotten the key
	Steps             []Step            `json:"steps"`
	Sends             int               `json:"sends"`                 // as of the last commit
	Uncertain         bool              `json:"uncertain,omitempty"`   // some send of it, as of the last commit, ended in unknown
	Stopped           bool              `json:"stopped,omitempty"`     // another copy would bring the same answer, or not be known as one: none is sent
	Released          bool              `json:"released,omitempty"`    // the provider told that what it may have done is undone: by our cancel, or later
	Evidence          Evidence          `json:"evidence,omitempty"`    // of the last answer
	MappingRow        string            `json:"mapping_row,omitempty"` // row that judged the last answer
	HTTPStatus        int               `json:"http_status,omitempty"` // of the last answer
	Code              string            `json:"code,omitempty"`        // provider's code in the last answer
	RequestID         string            `json:"request_id,omitempty"`  // provider's id of the last exchange
	Trace             string            `json:"trace,omitempty"`       // traceparent of the last request's span, before that of the call's
	Closed            time.Time         `json:"closed,omitzero"`       // when evidence closed it; zero while open
	NextAction        *NextAction       `json:"next_action,omitempty"` // what the shopper must do
}

// Step is one request of an attempt with a provider key of its own.
type Step struct {
	Name        StepName    `json:"name"`
	Key         ProviderKey `json:"key"`
	KeyVersion  int         `json:"key_version"`
	RequestHash string      `json:"request_hash"` // hex SHA-256 over method, path, key and body
	// Object is what a fence's step cancels, as known when it was recorded; empty
	// where the provider finds it by our reference.
	Object ProviderReference `json:"object,omitempty"`
	// Reference is the provider's id of the cancel itself, where it has one.
	Reference ProviderReference `json:"reference,omitempty"`
	// Refused: the provider told later that this cancel found nothing to cancel.
	Refused bool `json:"refused,omitempty"`
}

// Target is where an attempt was sent, as resolved when its intent was written.
type Target struct {
	Driver      string      `json:"driver"`
	Environment Environment `json:"environment"`
	Host        string      `json:"host"`
	Region      string      `json:"region,omitempty"`
	MerchantID  string      `json:"merchant_id,omitempty"`
}

// Environment tells play money from money.
type Environment string

// The environments.
const (
	EnvironmentSandbox Environment = "sandbox"
	EnvironmentLive    Environment = "live"
)

// Decline is a provider's "no": an answer, not an error.
type Decline struct {
	Category     Category    `json:"category"`
	Code         string      `json:"code"` // the mapping row's stable name for it
	ProviderCode string      `json:"provider_code,omitempty"`
	Message      string      `json:"message,omitempty"`
	Advice       RetryAdvice `json:"advice"`
	ShopperCode  string      `json:"shopper_code"` // safe to show; generic for lost, stolen and fraud
}

// Failure is why an operation ended without effect when nobody declined it.
type Failure struct {
	Category     Category `json:"category"`
	Code         string   `json:"code"`
	ProviderCode string   `json:"provider_code,omitempty"`
	Message      string   `json:"message,omitempty"`
}

// RetryAdvice tells the caller what a new try would need.
type RetryAdvice string

// The advice values.
const (
	AdviceSameKey           RetryAdvice = "SAME_KEY"             // ask again with the same key
	AdviceNewKeyLater       RetryAdvice = "NEW_KEY_LATER"        // a new operation, after a while
	AdviceNewKeyOtherMethod RetryAdvice = "NEW_KEY_OTHER_METHOD" // a new operation with another instrument
	AdviceNever             RetryAdvice = "NEVER"
)

// Advice is what the caller may do next about this operation.
func (op Operation) Advice() RetryAdvice {
	switch op.State {
	case StateIntent, StateUnknown, StateFencing, StatePending, StateRequiresAction:
		return AdviceSameKey
	case StateDeclined:
		if op.Decline != nil {
			return op.Decline.Advice
		}
		return AdviceNever
	case StateFailed:
		return AdviceNewKeyLater
	case StateSucceeded:
		return AdviceNever
	}
	return AdviceSameKey
}

// Current is the last attempt: the only one that may be open. The operation
// must have one, which every claimed operation does.
func (op Operation) Current() Attempt {
	if len(op.Attempts) == 0 {
		return Attempt{}
	}
	return op.Attempts[len(op.Attempts)-1]
}

// Step finds a step of the attempt by name.
func (a Attempt) Step(name StepName) (Step, bool) {
	i := slices.IndexFunc(a.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return a.Steps[i], true
}

// clone copies what Next may change, so that a transition never alters the
// record it started from.
func (op Operation) clone() Operation {
	op.Attempts = slices.Clone(op.Attempts)
	for i := range op.Attempts {
		op.Attempts[i].Steps = slices.Clone(op.Attempts[i].Steps)
	}
	return op
}
