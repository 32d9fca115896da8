package providertest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func fenceProperties() []property {
	return []property{
		{"a driver fences as it declares", fencesAsDeclared},
		{"a fence is a request of its own", fenceApart},
		{"only an authorization is fenced", fencesAuthorizations},
		{"after a fence only what is final is claimed", fencedClaims},
	}
}

// Goal: a fence is sent where the traits promise one, and names what it cancels.
// Method: with the object's id and without.
func fencesAsDeclared(w *world) {
	s := w.fence()
	d := w.New(w.Credentials[0])
	named, err := d.Fence(s)
	lost := s
	lost.ProviderReference = ""
	unnamed, without := d.Fence(lost)
	switch w.traits.Fence {
	case payment.FenceNone:
		if !errors.Is(err, providers.ErrUnsupported) || !errors.Is(without, providers.ErrUnsupported) {
			w.Errorf("no fence is declared, but one is built: errors %v and %v", err, without)
		}
	case payment.FenceByObject:
		if err != nil || !strings.Contains(named.Path+string(named.Body), string(s.ProviderReference)) {
			w.Errorf("a fence by object does not name it: %+v, error %v", named, err)
		}
		if without == nil {
			w.Errorf("a fence of nothing is built: %+v", unnamed)
		}
	case payment.FenceByReference:
		if without != nil || !strings.Contains(unnamed.Path+string(unnamed.Body), string(s.Reference)) {
			w.Errorf("a fence by reference does not name it: %+v, error %v", unnamed, without)
		}
	}
}

// Goal: a fence is neither the authorization sent again nor another fence.
// Method: requests of the steps, and what arrives of one.
func fenceApart(w *world) {
	if w.traits.Fence == payment.FenceNone {
		return
	}
	first, second := w.fence(), w.fence()
	second.Step, second.Key = payment.StepCancel(2), "fe0cefe0cefe0cefe0cefe0cefe0ce02"
	hashes := map[string]bool{}
	for _, s := range []payment.Send{w.Send(payment.MethodAuthorize), first, second} {
		hash, err := w.guard.Prepare(s)
		if err != nil {
			w.Fatal(err)
		}
		hashes[hash] = true
	}
	if len(hashes) != 3 {
		w.Errorf("%d different requests of three steps", len(hashes))
	}
	w.send(first)
	if got := w.server.take()[0]; got.Method == http.MethodGet || w.keyIn(first)(got) != first.Key {
		w.Errorf("the fence arrives as %s %s", got.Method, got.URI)
	}
}

// Goal: nothing but an authorization is cancelled because its outcome is unknown.
func fencesAuthorizations(w *world) {
	for _, m := range w.traits.Methods {
		s := w.Send(m)
		s.Step, s.ProviderReference = payment.StepCancel(1), "obj_1"
		if r, err := w.New(w.Credentials[0]).Fence(s); m != payment.MethodAuthorize && err == nil {
			w.Errorf("the fence of a %s: %+v", m, r)
		}
		if r, err := w.New(w.Credentials[0]).Build(s); err == nil {
			w.Errorf("a fence is built as a %s: %+v", m, r)
		}
	}
}

// Goal: an authorization is settled after a fence only by what no cancel that is
// still on its way can change. Method: the object that merely holds money, which
// a look-up before the fence takes for an effect.
func fencedClaims(w *world) {
	if w.traits.Fence == payment.FenceNone || !w.traits.Query {
		return
	}
	if !w.traits.ManualCapture {
		w.Log("not shown, since this provider holds no money")
		return
	}
	s := w.Send(payment.MethodAuthorize)
	s.Instruction.CaptureMode, s.ProviderReference = payment.CaptureManual, "obj_known"
	w.server.will(says(w.Found(s, s.Amount)))
	before, was := w.ask(s, mapping.Query)
	_, is := w.ask(s, mapping.Fenced)
	if was.Evidence != payment.EvidenceEffect || before.Captured || is.Evidence != payment.EvidenceUnknown {
		w.Errorf("a hold is %s before a fence (%+v) and %s after it", was.Evidence, before, is.Evidence)
	}
}

func unsupportedProperties() []property {
	return []property{
		{"what is declared is built", declaredIsBuilt},
		{"what is not declared is refused before any request", undeclaredIsRefused},
		{"what the contract cannot express is refused before any request", inexpressible},
	}
}

// Goal: routing sends nobody to a driver that has no form of what it declared.
func declaredIsBuilt(w *world) {
	for _, s := range w.writes() {
		if _, err := w.guard.Prepare(s); err != nil {
			w.Errorf("%s, step %s: %v", s.Method, s.Step, err)
		}
	}
	if !w.traits.ManualCapture && !w.traits.AutomaticCapture {
		w.Errorf("neither manual nor automatic capture is declared")
	}
}

// Goal: what routing would have refused is refused here too. Method: methods,
// steps and instruments that are not declared.
func undeclaredIsRefused(w *world) {
	refuse := func(what string, s payment.Send) {
		hash, err := w.guard.Prepare(s)
		if !errors.Is(err, providers.ErrUnsupported) {
			w.Errorf("%s: error %v, want %v", what, err, providers.ErrUnsupported)
		}
		if _, err := w.guard.Send(w.Context(), s, hash); err == nil {
			w.Errorf("%s: sent", what)
		}
	}
	for _, m := range methods() {
		if !w.traits.Supports(m) {
			s := w.Send(payment.MethodAuthorize)
			s.Method, s.Parent = m, "obj_1"
			refuse(string(m), s)
		}
	}
	s := w.Send(payment.MethodAuthorize)
	if !w.traits.BankTransfer {
		s.Instruction.BankTransfer = &payment.BankTransfer{Scheme: "sepa"}
		refuse("bank transfer", s)
	}
	s = w.Send(payment.MethodAuthorize)
	s.Step = "another"
	refuse("a step that is not known", s)
	if n := len(w.server.take()); n != 0 {
		w.Errorf("%d requests arrived", n)
	}
}

// Goal: a send that lacks what its request is about is refused, and no error
// tells a secret. Method: amounts of nothing, no object to act on, nothing to pay with.
func inexpressible(w *world) {
	for name, change := range map[string]func(*payment.Send){
		"an amount of nothing":   func(s *payment.Send) { s.Amount.MinorUnits = 0 },
		"an amount below it":     func(s *payment.Send) { s.Amount.MinorUnits = -1 },
		"nothing to act on":      func(s *payment.Send) { s.Parent, s.Instruction.ReturnParameters = "", nil },
		"nothing to pay with":    func(s *payment.Send) { s.Instruction.Tokens, s.Instruction.BankTransfer = nil, nil },
		"another account's only": func(s *payment.Send) { s.Account = "elsewhere" },
	} {
		if name == "another account's only" && w.traits.BankTransfer {
			continue // which needs nothing that an account gave
		}
		for _, s := range w.sends() {
			about := map[string]bool{
				"an amount of nothing": s.Method == payment.MethodCapture || s.Method == payment.MethodRefund,
				"an amount below it":   s.Method == payment.MethodCapture || s.Method == payment.MethodRefund,
				"nothing to act on":    s.Method != payment.MethodAuthorize,
			}
			needed, listed := about[name]
			if !listed {
				needed = s.Method == payment.MethodAuthorize
			}
			if !needed {
				continue
			}
			change(&s)
			if _, err := w.guard.Prepare(s); err == nil {
				w.Errorf("%s with %s has a form", s.Method, name)
			} else if said := w.leaked(s, fmt.Sprint(err)); said != "" {
				w.Errorf("%s with %s: the error tells %s", s.Method, name, said)
			}
		}
	}
	if n := len(w.server.take()); n != 0 {
		w.Errorf("%d requests arrived", n)
	}
}
