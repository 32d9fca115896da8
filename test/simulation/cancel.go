package simulation

import (
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// methodCancel is what a provider keeps a cancel under that it has only accepted.
const methodCancel payment.Method = "cancel"

// target is what a cancel is about: an object, or all of one reference of ours.
type target struct {
	object    payment.ProviderReference
	reference payment.ReferenceID
}

// cancel ends the authorizations that a request names, or accepts to do so later.
// What is captured cannot be cancelled.
func (p *provider) cancel(r request, later bool) payment.Answer {
	about := target{r.object, r.reference}
	found := p.named(about)
	switch {
	case len(found) == 0:
		return answered(404, "nothing_found")
	case found[0].status == isNegative:
		a := answered(402, "declined")
		a.Decline = found[0].failure
		return a
	case found[0].captured+found[0].capturing > 0:
		a := answered(422, "failed")
		a.Decline = "already_captured"
		return a
	case later:
		p.objects = append(p.objects, &object{
			id: payment.ProviderReference(fmt.Sprintf("%s-%d", p.name, len(p.objects)+1)), method: methodCancel,
			status: isPending, settles: isEffect, about: about,
		})
		return answered(202, "pending")
	}
	p.release(about)
	return p.shows(found[0])
}

// named lists the authorizations that a cancel is about.
func (p *provider) named(t target) []*object {
	var found []*object
	for _, o := range p.objects {
		if o.method == payment.MethodAuthorize && (o.id == t.object || t.object == "" && o.reference == t.reference) {
			found = append(found, o)
		}
	}
	return found
}

// release cancels what a cancel is about, as far as that is still possible.
func (p *provider) release(t target) {
	for _, o := range p.named(t) {
		if o.status == isNegative || o.status == isCancelled || o.captured+o.capturing > 0 {
			continue
		}
		o.status = isCancelled
		p.news = append(p.news, o)
		for _, e := range p.effects {
			if e.object == o.id {
				e.released = true
			}
		}
	}
}
