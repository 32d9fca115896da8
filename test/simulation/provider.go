package simulation

import (
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// provider is one provider account with its own truth: which keys it has seen,
// which objects exist, what money has moved. Only the scheduler touches it.
type provider struct {
	name      payment.AccountName
	traits    payment.Traits
	mayRepeat bool          // something before it may repeat requests: A8 does not hold
	lifetime  time.Duration // of a key
	temper    temper
	away      bool // nobody answers, or only what stands before it

	keys    map[string]*stored // by credential where that is their scope
	objects []*object
	effects []*effect
	news    []*object // whose standing has changed since it was last announced

	credential string // of processes that begin now
}

// stored is what a provider keeps under a key.
type stored struct {
	bytes  string
	at     time.Time
	answer payment.Answer
}

// object is an authorization, or a capture, refund or void on one.
type object struct {
	id        payment.ProviderReference
	method    payment.Method
	reference payment.ReferenceID
	parent    *object
	status    standing
	failure   string // why it is negative, as the provider spells it
	amount    int64
	currency  string
	automatic bool
	settles   standing // what a pending object comes to
	about     target   // of a cancel

	// Of an authorization: what was done with its hold, and what is about to be.
	captured, capturing, refunded, refunding, voided, voiding int64
}

// standing is how an object stands.
type standing string

const (
	isPending  standing = "pending"
	isAction   standing = "requires action"
	isEffect   standing = "effect"
	isNegative standing = "negative"
	// isCancelled: it had no effect yet, or what it held is released.
	isCancelled standing = "cancelled"
)

// effect is money held, moved or released.
type effect struct {
	account   payment.AccountName
	method    payment.Method
	reference payment.ReferenceID
	object    payment.ProviderReference
	amount    int64
	released  bool // by a cancel of ours
}

// slot is where the answer of a key is kept.
func (p *provider) slot(r request) string {
	if p.traits.KeyScope == payment.KeyScopeCredential {
		return r.credential + " " + string(r.key)
	}
	return string(r.key)
}

// receive executes one copy of a request, or answers it from what is stored
// under its key (assumption A2).
func (p *provider) receive(r request, with plan) payment.Answer {
	slot := p.slot(r)
	if kept := p.keys[slot]; kept != nil && time.Since(kept.at) < p.lifetime {
		if kept.bytes != r.bytes() {
			return answered(422, "key_reused")
		}
		return kept.answer
	}
	switch with {
	case planRateLimit:
		return answered(429, "rate_limited")
	case planUnauthorized:
		return answered(401, "unauthorized")
	case planInvalid:
		return answered(400, "invalid_request")
	case planBareRefusal:
		return answered(403, "")
	case planFailBefore:
		return answered(500, "server_error")
	case planFailStored:
		p.keys[slot] = &stored{r.bytes(), time.Now(), answered(500, "server_error")}
		return answered(500, "server_error")
	case planOK, planPartial, planDecline, planPending, planAction, planFailAfter, planFailAfterStored, planInUse, planHidden:
	}
	answer, done := p.carryOut(r, with)
	if !done {
		return answer
	}
	shown := answer
	switch with {
	case planFailAfter:
		shown = answered(500, "server_error")
	case planHidden:
		shown = answered(502, "")
	case planFailAfterStored:
		answer, shown = answered(500, "server_error"), answered(500, "server_error")
	case planInUse:
		shown = answered(409, "key_in_use")
	case planOK, planPartial, planDecline, planPending, planAction, planRateLimit, planUnauthorized, planInvalid, planBareRefusal,
		planFailBefore, planFailStored:
	}
	p.keys[slot] = &stored{r.bytes(), time.Now(), answer}
	return shown
}

// carryOut does what a request asks for, for the first time. It reports false if
// the request was refused without a trace.
func (p *provider) carryOut(r request, with plan) (payment.Answer, bool) {
	if r.step.Fence() {
		return p.cancel(r, with == planPending), true
	}
	if r.method == payment.MethodComplete {
		return p.complete(r, with)
	}
	o, refused := p.execute(r, with)
	if o == nil {
		return refused, false
	}
	return p.shows(o), true
}

// execute makes the object that a request asks for, or refuses without a trace.
func (p *provider) execute(r request, with plan) (*object, payment.Answer) {
	parent, refused := p.parentOf(r)
	if refused != nil {
		return nil, *refused
	}
	o := &object{
		id: payment.ProviderReference(fmt.Sprintf("%s-%d", p.name, len(p.objects)+1)), method: r.method, reference: r.reference, parent: parent,
		amount: r.amount.MinorUnits, currency: r.amount.CurrencyCode, automatic: r.mode == payment.CaptureAutomatic, status: isEffect,
	}
	if r.method == payment.MethodVoid {
		o.amount = parent.capturable()
	}
	p.objects = append(p.objects, o)
	switch o.failure = p.breaks(o); {
	case o.failure != "":
		o.status = isNegative
	case with == planDecline:
		o.status, o.failure = isNegative, p.temper.no(o)
	case with == planPartial && o.amount > 1 && r.method != payment.MethodVoid:
		o.amount /= 2
	case with == planPending:
		o.status, o.settles = isPending, p.temper.settles
	case with == planAction && r.method == payment.MethodAuthorize:
		o.status, o.settles = isAction, p.temper.settles
	}
	switch o.status {
	case isEffect:
		p.happen(o)
	case isPending:
		o.reserve(o.amount)
	case isAction, isNegative, isCancelled:
	}
	p.news = append(p.news, o)
	return o, payment.Answer{}
}

// parentOf finds the authorization that a request acts on, or refuses it.
func (p *provider) parentOf(r request) (*object, *payment.Answer) {
	if r.method == payment.MethodAuthorize {
		return nil, nil
	}
	for _, o := range p.objects {
		switch {
		case o.id != r.parent || o.method != payment.MethodAuthorize:
		case o.status != isEffect:
			refused := answered(409, "nothing_held")
			return nil, &refused
		default:
			return o, nil
		}
	}
	refused := answered(404, "no_such_authorization")
	return nil, &refused
}

// breaks says which rule about amounts an object breaks; "" if none.
func (p *provider) breaks(o *object) string {
	switch a := o.parent; {
	case o.method == payment.MethodAuthorize:
		return ""
	case o.method == payment.MethodRefund && o.amount > a.captured-a.refunded-a.refunding:
		return "exceeds_captured"
	case o.method == payment.MethodRefund:
		return ""
	case a.voided+a.voiding > 0:
		return "already_voided"
	case o.method == payment.MethodVoid && a.capturing > 0:
		return "capture_pending"
	case a.capturable() == 0:
		return "already_captured"
	case o.amount > a.capturable():
		return "insufficient_hold"
	case o.method == payment.MethodCapture && a.captured+a.capturing > 0 && !p.traits.MultipleCaptures:
		return "already_captured"
	}
	return ""
}

// happen gives an object its effect.
func (p *provider) happen(o *object) {
	o.status = isEffect
	if o.method == methodCancel {
		p.release(o.about)
		return
	}
	p.effects = append(p.effects, &effect{account: p.name, method: o.method, reference: o.reference, object: o.id, amount: o.amount})
	switch o.method {
	case payment.MethodAuthorize:
		if o.automatic {
			o.captured = o.amount
		}
	case payment.MethodCapture:
		o.parent.captured += o.amount
	case payment.MethodRefund:
		o.parent.refunded += o.amount
	case payment.MethodVoid:
		o.parent.voided += o.amount
	case payment.MethodComplete:
	}
}

// settle brings a pending object to its end.
func (p *provider) settle(o *object) {
	if o.status == isPending {
		o.reserve(-o.amount)
	}
	if o.method != methodCancel {
		p.news = append(p.news, o)
	}
	if o.settles == isEffect {
		p.happen(o)
		return
	}
	o.status, o.failure = isNegative, p.temper.no(o)
}

// pending lists the objects that still come to an end.
func (p *provider) pending() []*object {
	var list []*object
	for _, o := range p.objects {
		if o.status == isPending || o.status == isAction {
			list = append(list, o)
		}
	}
	return list
}

// reserve keeps an amount of the authorization for an object that is pending.
func (o *object) reserve(amount int64) {
	switch o.method {
	case payment.MethodCapture:
		o.parent.capturing += amount
	case payment.MethodRefund:
		o.parent.refunding += amount
	case payment.MethodVoid:
		o.parent.voiding += amount
	case payment.MethodAuthorize, payment.MethodComplete:
	}
}

// capturable is what is held and neither captured nor about to be.
func (o *object) capturable() int64 {
	return o.amount - o.captured - o.capturing - o.voided - o.voiding
}

// find answers a look-up by our reference: whatever exists is shown.
func (p *provider) find(r request) payment.Answer {
	var found []*object
	for _, o := range p.objects {
		if o.method == r.method && o.reference == r.reference && (r.object == "" || r.object == o.id) {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 0:
		return answered(404, "not_found")
	case 1:
		a := p.shows(found[0])
		a.HTTPStatus, a.ObjectFound = 200, true
		return a
	}
	return answered(200, "") // two of one reference: nobody can say which is meant
}
