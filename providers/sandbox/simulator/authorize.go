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

// The statuses of an authorization.
const (
	StatusAuthorized     = "authorized"
	StatusCaptured       = "captured"
	StatusDeclined       = "declined"
	StatusPending        = "pending"
	StatusRequiresAction = "requires_action"
)

// holdFor is how long an authorization holds the money.
const holdFor = 7 * 24 * time.Hour

// call is one request to authorize.
type call struct {
	merchant string
	key      string
	body     []byte
	bodyHash string
	at       time.Time
	copied   bool   // delivered by the simulator itself
	copyID   string // of the copy
	host     string // that the client speaks to
}

// authorization is the body of the request.
type authorization struct {
	Reference string `json:"reference"`
	Amount    int64  `json:"amount"` // minor units
	Currency  string `json:"currency"`
	Capture   string `json:"capture"` // manual or automatic
	Token     string `json:"token"`
}

// reply is what a request is to be answered, and how that goes wrong.
type reply struct {
	status int
	body   []byte
	header http.Header
	step   step
}

// postAuthorization reads, executes and answers, as far as its token lets it.
func (s *Simulator) postAuthorization(w http.ResponseWriter, r *http.Request, merchant string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return // it did not arrive whole: no provider would act on it
	}
	c := call{merchant: merchant, key: r.Header.Get("Idempotency-Key"), body: body, at: time.Now(), host: r.Host}
	s.deliver(w, r, s.handle(r.Context(), c))
}

// handle does what the request asks for, durably, and returns the reply.
func (s *Simulator) handle(ctx context.Context, c call) reply {
	sum := sha256.Sum256(c.body)
	c.bodyHash = hex.EncodeToString(sum[:])
	entry := Entry{Kind: KindRequest, Time: c.at, Merchant: c.merchant, Key: c.key, Copy: c.copied, Object: c.copyID}
	in, plan, err := s.read(c)
	if err != nil {
		s.record(ctx, entry)
		return failure(apiError{status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: err.Error()})
	}
	entry.Reference, entry.BodyHash = in.Reference, c.bodyHash
	t := s.state.begin(c, plan, s.cfg.ForgetAfter)
	entry.Ordinal, entry.Stepped = t.ordinal, t.stepped
	if t.refused != nil {
		s.record(ctx, entry)
		return failure(*t.refused)
	}
	return s.execute(ctx, c, in, t, entry)
}

// read validates the request. What it refuses leaves no trace under the key.
func (s *Simulator) read(c call) (in authorization, plan script, err error) {
	if c.key == "" || len(c.key) > 64 {
		return in, plan, fmt.Errorf("the header Idempotency-Key must have 1 to 64 characters, it has %d", len(c.key))
	}
	d := json.NewDecoder(bytes.NewReader(c.body))
	if err := d.Decode(&in); err != nil {
		return in, plan, fmt.Errorf("the body is no JSON of an authorization")
	}
	switch {
	case in.Reference == "" || len(in.Reference) > 64:
		return in, plan, fmt.Errorf("reference must have 1 to 64 characters, it has %d", len(in.Reference))
	case in.Amount <= 0:
		return in, plan, fmt.Errorf("amount must be positive, it is %d", in.Amount)
	case len(in.Currency) != 3 || strings.Trim(in.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return in, plan, fmt.Errorf("currency must be three capital letters")
	case in.Capture != "manual" && in.Capture != "automatic":
		return in, plan, fmt.Errorf("capture must be manual or automatic")
	}
	plan, err = s.grammar.parse(in.Token)
	return in, plan, err
}

// execute makes the effect, unless the key has an answer already, and commits it
// together with that answer.
func (s *Simulator) execute(ctx context.Context, c call, in authorization, t turn, request Entry) reply {
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
			Kind: KindStored, Time: c.at, Merchant: c.merchant, Key: c.key, Reference: in.Reference, Ordinal: t.ordinal,
			Status: status, Answer: answer, Stored: made, Due: made.SettleAt,
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
func (s *Simulator) make(c call, in authorization, st step) *object {
	o := &object{
		ID: newID("auth_"), Amount: in.Amount, Currency: in.Currency, Reference: in.Reference, Capture: in.Capture,
		Merchant: c.merchant, Key: c.key, ExpiresAt: c.at.Add(holdFor).UTC().Truncate(time.Second),
	}
	switch st.outcome {
	case outcomeAuthorize, outcomeNone:
		o.settle(in.Capture == "automatic")
	case outcomePartial:
		o.Amount = max(1, in.Amount/2)
		o.settle(in.Capture == "automatic")
	case outcomeDecline:
		o.Status, o.DeclineCode = StatusDeclined, st.code
	case outcomePending:
		o.Status, o.SettleAt = StatusPending, c.at.Add(st.wait)
	case outcomeAction:
		o.Status = StatusRequiresAction
		o.NextAction = &nextAction{Type: "redirect", URL: "http://" + c.host + "/v1/actions/" + o.ID, Method: http.MethodGet}
	}
	return o
}

// effective reports whether money is held or taken.
func (o *object) effective() bool { return o.Status == StatusAuthorized || o.Status == StatusCaptured }

// effect is the entry of the object's effect.
func (o *object) effect(at time.Time, ordinal int) Entry {
	return Entry{
		Kind: KindEffect, Time: at, Merchant: o.Merchant, Key: o.Key, Reference: o.Reference, Ordinal: ordinal,
		Object: o.ID, Amount: o.Amount, Currency: o.Currency, Captured: o.Capture == "automatic",
	}
}

// settle gives an object that is accepted in this way its effect.
func (s *Simulator) settle(ctx context.Context, id, accepted string) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	o := s.state.objects[id]
	if o == nil || o.Status != accepted {
		return
	}
	if err := s.log.append(o.effect(time.Now(), 0)); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "simulator log not written", "error", err)
		return
	}
	o.settle(o.Capture == "automatic")
}

// delayed is the copy of the request that a step sends on its way.
func (s *Simulator) delayed(c call, st step) (Entry, bool) {
	if st.delivery != deliverDropLater && st.delivery != deliverTwice {
		return Entry{}, false
	}
	return Entry{
		Kind: KindDelayed, Time: c.at, Merchant: c.merchant, Key: c.key, Body: c.body,
		Object: newID("copy_"), Due: c.at.Add(st.wait),
	}, true
}

// arrive delivers a delayed copy. Nobody hears of the answer.
func (s *Simulator) arrive(ctx context.Context, e Entry) {
	s.handle(ctx, call{
		merchant: e.Merchant, key: e.Key, body: e.Body, at: time.Now(), copied: true, copyID: e.Object,
	})
}
