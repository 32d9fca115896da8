package simulator

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// object is an authorization as the simulator keeps it, and as it shows it.
type object struct {
	ID          string      `json:"id"`
	Status      string      `json:"status"`
	DeclineCode string      `json:"decline_code,omitempty"`
	Amount      int64       `json:"amount"` // minor units
	Currency    string      `json:"currency"`
	Reference   string      `json:"reference"`
	Capture     string      `json:"capture"`
	NextAction  *nextAction `json:"next_action,omitempty"`
	ExpiresAt   time.Time   `json:"expires_at,omitzero"`

	Merchant string    `json:"merchant"`
	Key      string    `json:"-"`
	SettleAt time.Time `json:"-"`
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
}

func newState() *state {
	return &state{keys: map[scoped]*keyRecord{}, objects: map[string]*object{}, byReference: map[scoped][]string{}}
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
				e.Stored.Key, e.Stored.SettleAt = e.Key, e.Due
				s.put(e.Stored)
			}
		case KindEffect:
			if o := s.objects[e.Object]; o != nil {
				o.settle(e.Captured)
			}
		case KindDelayed:
			delayed[e.Object] = e
		case KindQuery:
		}
	}
	for _, o := range s.objects {
		if !o.SettleAt.IsZero() && o.Status == StatusPending {
			pending = append(pending, *o)
		}
	}
	return delayed, pending
}

func (s *state) replayRequest(e Entry) {
	if e.Key == "" || e.BodyHash == "" {
		return
	}
	id := scoped{e.Merchant, e.Key}
	k := s.keys[id]
	if k == nil || e.Ordinal == 1 { // the first after the key was forgotten counts anew
		k = &keyRecord{bodyHash: e.BodyHash, created: e.Time}
		s.keys[id] = k
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

// settle turns an accepted object into one that has its effect.
func (o *object) settle(captured bool) {
	o.Status, o.NextAction = StatusAuthorized, nil
	if captured {
		o.Status = StatusCaptured
	}
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
// refused the key is busy until finish.
func (s *state) begin(c call, plan script, forget time.Duration) turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := scoped{c.merchant, c.key}
	k := s.keys[id]
	if k == nil || (forget > 0 && !k.busy && c.at.Sub(k.created) > forget) {
		k = &keyRecord{bodyHash: c.bodyHash, created: c.at}
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
	if !c.copied {
		if t.step, t.stepped = plan.at(k.stepped); t.stepped {
			k.stepped++
		}
	}
	k.busy, t.status, t.answer = true, k.status, k.answer
	return t
}

// finish frees the key and makes what was committed visible.
func (s *state) finish(t turn, made *object, status int, answer []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.record.busy = false
	if answer != nil {
		t.record.status, t.record.answer = status, answer
	}
	if made != nil {
		s.put(made)
	}
}

// find returns copies of the merchant's objects: by id, or else by reference.
func (s *state) find(merchant, id, reference string) []object {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := []string{id}
	if id == "" {
		ids = s.byReference[scoped{merchant, reference}]
	}
	var found []object
	for _, id := range ids {
		if o := s.objects[id]; o != nil && o.Merchant == merchant {
			found = append(found, *o)
		}
	}
	return found
}
