package simulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// call is one request that may have an effect.
type call struct {
	verb     Kind
	parent   string // id of the authorization that it acts on
	merchant string
	key      string
	body     []byte
	bodyHash string
	at       time.Time
	copied   bool   // delivered by the simulator itself
	copyID   string // of the copy
	host     string // that the client speaks to
}

// order is the body of a call. A capture or refund has no more than reference,
// amount, currency and reason; a void has a reference of its own; a cancel has that
// of what it cancels.
type order struct {
	Reference string `json:"reference"`
	Amount    int64  `json:"amount"` // minor units
	Currency  string `json:"currency"`
	Reason    string `json:"reason"`
	Capture   string `json:"capture"` // manual or automatic
	Token     string `json:"token"`

	Parameters map[string]string `json:"parameters"` // of a completion
}

// reply is what a call is to be answered, and how that goes wrong.
type reply struct {
	status int
	body   []byte
	header http.Header
	step   step
}

// post reads, executes and answers a call, as far as its token lets it.
func (s *Simulator) post(verb Kind) authorized {
	return func(w http.ResponseWriter, r *http.Request, merchant string) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return // it did not arrive whole: no provider would act on it
		}
		s.deliver(w, r, s.handle(r.Context(), call{
			verb: verb, parent: r.PathValue("id"), merchant: merchant, key: r.Header.Get("Idempotency-Key"),
			body: body, at: time.Now(), host: r.Host,
		}))
	}
}

// handle does what the call asks for, durably, and returns the reply.
func (s *Simulator) handle(ctx context.Context, c call) reply {
	c.bodyHash = c.hash()
	entry := Entry{
		Kind: KindRequest, Time: c.at, Merchant: c.merchant, Key: c.key, Verb: c.verb, Parent: c.parent,
		Copy: c.copied, Object: c.copyID,
	}
	in, turns, refused := s.read(c)
	if refused != nil {
		s.record(ctx, entry)
		return failure(*refused)
	}
	entry.Reference, entry.BodyHash = in.Reference, c.bodyHash
	t := s.state.begin(c, in.Reference, turns, s.cfg.ForgetAfter)
	entry.Ordinal, entry.Stepped, entry.Turn = t.ordinal, t.stepped, t.record.turn
	if t.refused != nil {
		s.record(ctx, entry)
		return failure(*t.refused)
	}
	return s.execute(ctx, c, in, t, entry)
}

// hash tells the calls of a key apart: it covers all that a call asks for.
func (c call) hash() string {
	h := sha256.New()
	if c.verb != verbAuthorize {
		fmt.Fprintf(h, "%s %s\n", c.verb, c.parent)
	}
	h.Write(c.body)
	return hex.EncodeToString(h.Sum(nil))
}

// read validates the call and finds the scripts that its keys take turns with.
// What it refuses leaves no trace under the key.
func (s *Simulator) read(c call) (in order, turns []script, refused *apiError) {
	if err := in.decode(c); err != nil {
		return in, nil, &apiError{status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: err.Error()}
	}
	token, refused := s.token(c, in)
	if refused != nil || token == "" && c.verb == KindCancel { // of what it does not find, nothing says that it goes wrong
		return in, nil, refused
	}
	p, err := s.grammar.parse(token)
	if err != nil {
		return in, nil, &apiError{status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: err.Error()}
	}
	if c.verb == KindComplete && len(p[c.verb]) == 0 {
		turns, refused = s.result(in)
		return in, turns, refused
	}
	return in, p[c.verb], nil
}

// token is the one that says what goes wrong with the call.
func (s *Simulator) token(c call, in order) (token string, refused *apiError) {
	if c.verb == verbAuthorize {
		return in.Token, nil
	}
	if c.verb == KindCancel {
		return s.state.tokenOf(c.merchant, in.Reference), nil
	}
	if c.verb == KindComplete {
		return s.state.completable(c)
	}
	return s.state.acceptable(c, in)
}

// decode reads what is wrong with a call by itself.
func (in *order) decode(c call) error {
	if c.key == "" || len(c.key) > 64 {
		return fmt.Errorf("the header Idempotency-Key must have 1 to 64 characters, it has %d", len(c.key))
	}
	if json.NewDecoder(bytes.NewReader(c.body)).Decode(in) != nil {
		return fmt.Errorf("the body is no JSON of such a request")
	}
	switch {
	case in.Reference == "" || len(in.Reference) > 64:
		return fmt.Errorf("reference must have 1 to 64 characters, it has %d", len(in.Reference))
	case c.verb == KindVoid || c.verb == KindCancel || c.verb == KindComplete:
		return nil // it is about whatever is there
	case in.Amount <= 0:
		return fmt.Errorf("amount must be positive, it is %d", in.Amount)
	case len(in.Currency) != 3 || strings.Trim(in.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return fmt.Errorf("currency must be three capital letters")
	case c.verb == verbAuthorize && in.Capture != "manual" && in.Capture != "automatic":
		return fmt.Errorf("capture must be manual or automatic")
	}
	return nil
}

// execute does what the call asks for, unless its key has an answer already or the
// step does nothing.
func (s *Simulator) execute(ctx context.Context, c call, in order, t turn, request Entry) reply {
	if s.cfg.Latency > 0 {
		s.sleep(context.WithoutCancel(ctx), s.cfg.Latency)
	}
	entries := []Entry{request}
	late, isLate := s.delayed(c, t.step)
	if isLate {
		entries = append(entries, late)
	}
	d, err := s.commit(c, in, t, entries)
	if err != nil {
		s.cfg.Logger.ErrorContext(ctx, "simulator log not written", "error", err)
		return failure(apiError{status: http.StatusInternalServerError, Code: CodeServerError, Message: "the log cannot be written"})
	}
	if isLate {
		s.later(ctx, late.Due, func(ctx context.Context) { s.arrive(ctx, late) })
	}
	if d.made != nil && !d.made.SettleAt.IsZero() {
		id := d.made.ID
		s.later(ctx, d.made.SettleAt, func(ctx context.Context) { s.settle(ctx, id, StatusPending) })
	}
	s.tell(ctx, d.told()...)
	out := reply{status: d.status, body: d.answer, step: t.step, header: http.Header{}}
	if t.answer != nil {
		out.status, out.body = t.status, t.answer
		out.header.Set("Idempotent-Replayed", "true")
	}
	return out
}

// deed is what a call has done.
type deed struct {
	made    *object // nil: nothing was done
	status  int
	answer  []byte  // to be stored
	effects []Entry // and their failures
}

// told are the objects whose merchant is to be told of the deed: what was made, or
// what a cancel has cancelled.
func (d deed) told() []string {
	if d.made == nil {
		return nil
	}
	if d.made.Kind != KindCancel {
		return []string{d.made.ID}
	}
	return changed(d.effects)
}

// changed are the objects whose status entries have changed.
func changed(entries []Entry) []string {
	var ids []string
	for _, e := range entries {
		switch {
		case e.Kind == KindCancel:
			ids = append(ids, e.Parent)
		case e.Kind != KindFailed || e.Failure != FailureAlreadyCaptured && e.Failure != CodeNothingFound: // those are of cancels
			ids = append(ids, e.Object)
		}
	}
	return ids
}

// commit does what the step asks for and writes it, with the answer that its key
// keeps and the entries of the request, before anybody can see it. It frees the key.
func (s *Simulator) commit(c call, in order, t turn, entries []Entry) (deed, error) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	var d deed
	if t.answer == nil && t.step.outcome != outcomeNone {
		d = s.state.do(c, in, t)
		entries = append(append(entries, d.stored(c, t)), d.effects...)
	}
	// What others can take is reserved before, so that they may go on while this is
	// written and share its fsync. A cancel or a completion reserves nothing: what it has found must
	// not change until it is done.
	if err := s.write(c.verb == KindCancel || c.verb == KindComplete, entries); err != nil {
		t.record.busy = false
		s.state.abandon(d.made)
		return deed{}, err
	}
	s.state.finish(t, d)
	return d, nil
}

// write appends to the log. The caller holds mu; unless it must be alone, others
// may go on meanwhile.
func (s *Simulator) write(alone bool, entries []Entry) error {
	if !alone {
		s.state.mu.Unlock()
		defer s.state.mu.Lock()
	}
	return s.log.append(entries...)
}

// do makes what a step asks for. The caller holds mu.
func (s *state) do(c call, in order, t turn) deed {
	if c.verb == KindCancel {
		return s.cancel(c, in, t)
	}
	if c.verb == KindComplete {
		return s.complete(c, in, t)
	}
	var d deed
	if c.verb == verbAuthorize {
		d.made = authorization(c, in, t.step)
	} else {
		d.made = s.move(c, in, t.step)
	}
	d.status, d.answer = answerOf(*d.made)
	if d.made.effective() {
		d.effects = []Entry{d.made.effect(c.at, t.ordinal)}
	}
	return d
}

// stored is the entry of the answer, and of what was made.
func (d deed) stored(c call, t turn) Entry {
	return Entry{
		Kind: KindStored, Time: c.at, Merchant: c.merchant, Key: c.key, Verb: c.verb, Parent: c.parent,
		Reference: d.made.Reference, Ordinal: t.ordinal, Status: d.status, Answer: d.answer,
		Stored: d.made, Due: d.made.SettleAt, Token: d.made.Token, Failure: d.made.Failure,
	}
}

// settle brings an object that is accepted in this way to its end.
func (s *Simulator) settle(ctx context.Context, id, accepted string) {
	s.tell(ctx, changed(s.settled(ctx, id, accepted))...)
}

// settled does so durably, and returns what happened.
func (s *Simulator) settled(ctx context.Context, id, accepted string) []Entry {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	o := s.state.objects[id]
	if o == nil || o.Status != accepted {
		return nil
	}
	entries := s.state.end(o, time.Now())
	if err := s.write(true, entries); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "simulator log not written", "error", err)
		return nil
	}
	s.state.happened(entries)
	return entries
}

// end is how an object that was accepted ends at this time. The caller holds mu.
func (s *state) end(o *object, at time.Time) []Entry {
	if o.Kind == KindCancel {
		entries, _ := s.cancelled(o, at, 0)
		return entries
	}
	if o.Kind == KindComplete {
		return s.endCompletion(o, at)
	}
	entry := o.effect(at, 0)
	parent := s.objects[o.Parent]
	if o.Failure != "" && (parent == nil || parent.Status != StatusCancelled) { // the release that a cancel relied on does not fail
		entry.Kind, entry.Failure = KindFailed, o.Failure
	}
	return []Entry{entry}
}

// delayed is the copy of the call that a step sends on its way.
func (s *Simulator) delayed(c call, st step) (Entry, bool) {
	if st.delivery != deliverDropLater && st.delivery != deliverTwice {
		return Entry{}, false
	}
	return Entry{
		Kind: KindDelayed, Time: c.at, Merchant: c.merchant, Key: c.key, Verb: c.verb, Parent: c.parent, Body: c.body,
		Object: newID("copy_"), Due: c.at.Add(st.wait),
	}, true
}

// arrive delivers a delayed copy. Nobody hears of the answer.
func (s *Simulator) arrive(ctx context.Context, e Entry) {
	s.handle(ctx, call{
		verb: e.Verb, parent: e.Parent, merchant: e.Merchant, key: e.Key, body: e.Body, at: time.Now(), copied: true, copyID: e.Object,
	})
}
