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
// amount, currency and reason; a void has a reference.
type order struct {
	Reference string `json:"reference"`
	Amount    int64  `json:"amount"` // minor units
	Currency  string `json:"currency"`
	Reason    string `json:"reason"`
	Capture   string `json:"capture"` // manual or automatic
	Token     string `json:"token"`
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
	t := s.state.begin(c, turns, s.cfg.ForgetAfter)
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
	token := in.Token
	if c.verb != verbAuthorize {
		if token, refused = s.state.acceptable(c, in); refused != nil {
			return in, nil, refused
		}
	}
	p, err := s.grammar.parse(token)
	if err != nil {
		return in, nil, &apiError{status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: err.Error()}
	}
	return in, p[c.verb], nil
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
	case c.verb == KindVoid:
		return nil // it releases whatever is left
	case in.Amount <= 0:
		return fmt.Errorf("amount must be positive, it is %d", in.Amount)
	case len(in.Currency) != 3 || strings.Trim(in.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return fmt.Errorf("currency must be three capital letters")
	case c.verb == verbAuthorize && in.Capture != "manual" && in.Capture != "automatic":
		return fmt.Errorf("capture must be manual or automatic")
	}
	return nil
}

// execute makes the effect, unless the key has an answer already, and commits it
// together with that answer.
func (s *Simulator) execute(ctx context.Context, c call, in order, t turn, request Entry) reply {
	entries, out := []Entry{request}, reply{step: t.step, header: http.Header{}}
	if s.cfg.Latency > 0 {
		s.sleep(context.WithoutCancel(ctx), s.cfg.Latency)
	}
	var made *object
	var status int
	var answer []byte
	switch {
	case t.answer != nil:
		out.status, out.body = t.status, t.answer
		out.header.Set("Idempotent-Replayed", "true")
	case t.step.outcome != outcomeNone:
		made = s.make(c, in, t.step)
		out.status, out.body = answerOf(*made)
		status, answer = out.status, out.body
		entries = append(entries, Entry{
			Kind: KindStored, Time: c.at, Merchant: c.merchant, Key: c.key, Verb: c.verb, Parent: c.parent,
			Reference: in.Reference, Ordinal: t.ordinal, Status: status, Answer: answer,
			Stored: made, Due: made.SettleAt, Token: made.Token, Failure: made.Failure,
		})
		if made.effective() {
			entries = append(entries, made.effect(c.at, t.ordinal))
		}
	}
	late, isLate := s.delayed(c, t.step)
	if isLate {
		entries = append(entries, late)
	}
	if err := s.log.append(entries...); err != nil {
		s.state.finish(t, nil, 0, nil)
		s.state.abandon(made)
		s.cfg.Logger.ErrorContext(ctx, "simulator log not written", "error", err)
		return failure(apiError{status: http.StatusInternalServerError, Code: CodeServerError, Message: "the log cannot be written"})
	}
	s.state.finish(t, made, status, answer)
	if isLate {
		s.later(ctx, late.Due, func(ctx context.Context) { s.arrive(ctx, late) })
	}
	if made != nil && !made.SettleAt.IsZero() {
		id := made.ID
		s.later(ctx, made.SettleAt, func(ctx context.Context) { s.settle(ctx, id, StatusPending) })
	}
	return out
}

// make builds the object that a step asks for.
func (s *Simulator) make(c call, in order, st step) *object {
	if c.verb == verbAuthorize {
		return authorization(c, in, st)
	}
	return s.state.move(c, in, st)
}

// settle brings an object that is accepted in this way to its end.
func (s *Simulator) settle(ctx context.Context, id, accepted string) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	o := s.state.objects[id]
	if o == nil || o.Status != accepted {
		return
	}
	entry := o.effect(time.Now(), 0)
	if o.Failure != "" {
		entry.Kind, entry.Failure = KindFailed, o.Failure
	}
	if err := s.log.append(entry); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "simulator log not written", "error", err)
		return
	}
	s.state.conclude(o, o.Failure)
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
