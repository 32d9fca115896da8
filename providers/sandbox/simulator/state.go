package simulator

import (
	"cmp"
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// object is an authorization, capture, refund or void as the simulator keeps it,
// and as it shows it. A cancel is kept as one too, but never shown.
type object struct {
	ID          string `json:"id"`
	Kind        Kind   `json:"kind,omitempty"` // of an authorization empty
	Status      string `json:"status"`
	DeclineCode string `json:"decline_code,omitempty"`
	FailureCode string `json:"failure_code,omitempty"`
	Amount      int64  `json:"amount"` // minor units; of a void what it released
	Currency    string `json:"currency"`
	Reference   string `json:"reference"`
	Merchant    string `json:"merchant"`

	// Of an authorization.
	Capture    string      `json:"capture,omitempty"`
	NextAction *nextAction `json:"next_action,omitempty"`
	ExpiresAt  time.Time   `json:"expires_at,omitzero"`
	Captured   int64       `json:"captured_amount,omitempty"`
	Refunded   int64       `json:"refunded_amount,omitempty"`
	Voided     int64       `json:"voided_amount,omitempty"` // by a void or a cancel

	// Of a capture, refund or void.
	Parent string `json:"parent,omitempty"`
	Reason string `json:"reason,omitempty"`

	Key      string    `json:"-"`
	Token    string    `json:"-"`
	SettleAt time.Time `json:"-"`
	Failure  string    `json:"-"` // with which it ends when it settles; empty: with its effect
	// What is reserved on an authorization for objects on their way, or pending.
	capturing, refunding, voiding int64
}

// effective reports whether money is held, taken, given back or released.
func (o *object) effective() bool {
	return o.Status == StatusAuthorized || o.Status == StatusCaptured || o.Status == StatusSucceeded
}

// effect is the entry of the object's effect.
func (o *object) effect(at time.Time, ordinal int) Entry {
	e := Entry{
		Kind: o.Kind, Time: at, Merchant: o.Merchant, Key: o.Key, Reference: o.Reference, Ordinal: ordinal,
		Object: o.ID, Parent: o.Parent, Amount: o.Amount, Currency: o.Currency,
	}
	if o.Kind == verbAuthorize {
		e.Kind, e.Captured = KindEffect, o.Capture == "automatic"
	}
	return e
}

// nextAction is what the shopper is to do.
type nextAction struct {
	Type   string `json:"type"`
	URL    string `json:"url"`
	Method string `json:"method"`
}

// newID makes an id that nobody can guess.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:20]) }

// scoped is a key or a reference of a merchant. Keys belong to the merchant, so
// another credential of the same merchant sees the same keys.
type scoped struct{ merchant, name string }

// keyRecord is what is known under a key.
type keyRecord struct {
	bodyHash string
	created  time.Time
	turn     int // of the key among those of its verb and authorization, from 1
	received int // requests so far
	stepped  int // of those, how many took a step of their token
	busy     bool
	status   int
	answer   []byte // nil until one is stored
}

// state is what the simulator remembers. It is what the log says, so that a
// restart changes nothing.
type state struct {
	mu          sync.Mutex
	keys        map[scoped]*keyRecord
	objects     map[string]*object
	byReference map[scoped][]string // ids of objects by their reference
	turns       map[act]int         // keys so far
}

// act is a verb on an authorization, or on a reference.
type act struct {
	verb     Kind
	merchant string
	on       string
}

func newState() *state {
	return &state{
		keys: map[scoped]*keyRecord{}, objects: map[string]*object{}, byReference: map[scoped][]string{}, turns: map[act]int{},
	}
}

// replay applies an entry of the log and returns the copies on their way.
func (s *state) replay(entries []Entry) (delayed map[string]Entry, pending []object) {
	delayed = map[string]Entry{}
	for _, e := range entries {
		switch e.Kind {
		case KindRequest:
			s.replayRequest(e)
			if e.Copy {
				delete(delayed, e.Object)
			}
		case KindStored:
			k := s.keys[scoped{e.Merchant, e.Key}]
			if k != nil {
				k.status, k.answer = e.Status, e.Answer
			}
			if e.Stored != nil {
				s.replayStored(e)
			}
		case KindEffect, KindCapture, KindRefund, KindVoid, KindCancel, KindComplete, KindFailed:
			s.happened([]Entry{e})
		case KindDelayed:
			delayed[e.Object] = e
		case KindQuery, verbAuthorize:
		}
	}
	for _, o := range s.objects {
		if !o.SettleAt.IsZero() && o.Status == StatusPending {
			pending = append(pending, *o)
		}
	}
	return delayed, pending
}

func (s *state) replayStored(e Entry) {
	o := e.Stored
	o.Key, o.SettleAt, o.Token, o.Failure = e.Key, e.Due, e.Token, e.Failure
	s.put(o)
	if o.Status != StatusFailed {
		s.reserve(o) // until the entry of its effect
	}
}

func (s *state) replayRequest(e Entry) {
	if e.Key == "" || e.BodyHash == "" {
		return
	}
	id := scoped{e.Merchant, e.Key}
	k := s.keys[id]
	if k == nil || e.Ordinal == 1 { // the first after the key was forgotten counts anew
		k = &keyRecord{bodyHash: e.BodyHash, created: e.Time, turn: e.Turn}
		s.keys[id] = k
		a := act{e.Verb, e.Merchant, cmp.Or(e.Parent, e.Reference)}
		s.turns[a] = max(s.turns[a], e.Turn)
	}
	k.received = e.Ordinal
	if e.Stepped {
		k.stepped++
	}
}

// put makes an object known. The caller holds mu, or is alone.
func (s *state) put(o *object) {
	s.objects[o.ID] = o
	ref := scoped{o.Merchant, o.Reference}
	s.byReference[ref] = append(s.byReference[ref], o.ID)
}

// turn is what becomes of a request.
type turn struct {
	record  *keyRecord
	ordinal int
	step    step
	stepped bool
	refused *apiError
	status  int // of the answer to replay
	answer  []byte
}

// begin registers a request of a key and says what becomes of it. Unless it is
// refused the key is busy until finish. A new key takes its turn of the scripts.
func (s *state) begin(c call, reference string, scripts []script, forget time.Duration) turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := scoped{c.merchant, c.key}
	k := s.keys[id]
	if k == nil || (forget > 0 && !k.busy && c.at.Sub(k.created) > forget) {
		a := act{c.verb, c.merchant, cmp.Or(c.parent, reference)}
		s.turns[a]++
		k = &keyRecord{bodyHash: c.bodyHash, created: c.at, turn: s.turns[a]}
		s.keys[id] = k
	}
	k.received++
	t := turn{record: k, ordinal: k.received}
	switch {
	case k.bodyHash != c.bodyHash:
		t.refused = &apiError{status: 422, Code: CodeKeyReused, Message: "the key was used with another request"}
		return t
	case k.busy:
		t.refused = &apiError{status: 409, Code: CodeKeyInUse, Message: "a request with this key is being worked on"}
		return t
	}
	t.step, _ = script{}.at(0) // a copy is treated as any provider would, whatever the token says
	if !c.copied && len(scripts) > 0 {
		if t.step, t.stepped = scripts[(k.turn-1)%len(scripts)].at(k.stepped); t.stepped {
			k.stepped++
		}
	}
	k.busy, t.status, t.answer = true, k.status, k.answer
	return t
}

// finish frees the key and makes what was committed visible. The caller holds mu.
func (s *state) finish(t turn, d deed) {
	t.record.busy = false
	if d.made == nil {
		return
	}
	t.record.status, t.record.answer = d.status, d.answer
	s.put(d.made)
	s.happened(d.effects)
}

// happened applies entries of effects and failures. The caller holds mu, or is alone.
func (s *state) happened(entries []Entry) {
	for _, e := range entries {
		if e.Kind == KindComplete {
			s.goneOn(e)
			continue
		}
		if a := s.objects[e.Parent]; a != nil && e.Kind == KindCancel {
			a.cancel(e.Amount)
		}
		if o := s.objects[e.Object]; o != nil {
			s.conclude(o, e.Failure)
		}
	}
}

// find returns copies of the merchant's objects of a verb: by id, or else by
// reference.
func (s *state) find(merchant string, verb Kind, id, reference string) []object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookUp(merchant, verb, id, reference)
}

// having returns copies of the authorizations that have a reference. The caller
// holds mu.
func (s *state) having(merchant, reference string) []object {
	return s.lookUp(merchant, verbAuthorize, "", reference)
}

func (s *state) lookUp(merchant string, verb Kind, id, reference string) []object {
	ids := []string{id}
	if id == "" {
		ids = s.byReference[scoped{merchant, reference}]
	}
	var found []object
	for _, id := range ids {
		if o := s.objects[id]; o != nil && o.Merchant == merchant && o.Kind == verb {
			found = append(found, *o)
		}
	}
	return found
}
