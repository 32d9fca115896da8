// Package providertest holds what every driver must show (Run), over real HTTP
// to a server that follows a script, through the real guard and transport and
// judged by the real mapping table.
//
// A driver's own test is one call of Run, and one of FuzzParse for its fuzz
// target, with a Config that speaks the provider's dialect and declares, with
// the reason, what the provider cannot say.
//
// It shows what a driver makes of an answer, not that the provider answers so:
// that takes the provider's own simulator, and the provider.
package providertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Config is a driver and its provider's dialect.
type Config struct {
	// New returns a driver of one and the same account, with a credential.
	New func(credential providers.Secret) providers.Driver
	// Credentials are two that the provider could give to that account.
	Credentials [2]providers.Secret

	// Send is a send of the method that uses everything the driver can express.
	// Every call returns a new one. Its tokens and its key are long enough to be
	// found where they must not be.
	Send func(m payment.Method) payment.Send

	// Done is the answer to s once it has had its effect, with that amount; it may
	// be positive or not, in any currency. The object repeats our reference and is
	// named by s.ProviderReference if that is set.
	Done func(s payment.Send, amount payment.Money) providers.Response
	// Found is the answer to a look-up of s that shows the same object.
	Found func(s payment.Send, amount payment.Money) providers.Response
	// Missing is the answer to a look-up of s that found nothing.
	Missing func(s payment.Send) providers.Response
	// Odd is the answer to s with an object of a status that is not documented.
	Odd func(s payment.Send) providers.Response
	// Refused is a refusal with that status, code and message for people.
	Refused func(status int, code, message string) providers.Response

	// Key is how the provider is sent a key, where that is not as it was recorded. It
	// tells different keys apart. Nil leaves them as they are.
	Key func(payment.ProviderKey) payment.ProviderKey

	// Samples are documented answers and the rows that judge them: at least one for
	// each that a method may end in.
	Samples []Sample

	// Webhooks is how the provider tells what happened; nil if it does not.
	Webhooks *Webhooks

	// Cannot declares what the provider cannot say, each with the reason.
	Cannot []Inability
}

// Sample is a documented answer.
type Sample struct {
	Name     string
	Send     payment.Send
	Answers  Question // what it answers; "" for the send
	Response providers.Response
	Row      string           // id of the row that judges it
	Evidence payment.Evidence // what that row says
	Declined bool             // somebody's "no" to this payment
}

// Question is what a Sample answers.
type Question string

// The questions.
const (
	ToSend   Question = ""       // the request of the send, or its fence if that is its step
	ToQuery  Question = "query"  // a look-up
	ToFenced Question = "fenced" // a look-up after a fence
)

// Ability is something that a provider can say, or that a Config declares it cannot.
type Ability string

// CanFinish is that the answer to a method tells its outcome. Of one that cannot,
// Done is the answer that accepts it, and no amount in that is looked at.
func CanFinish(m payment.Method) Ability {
	return Ability("tell the outcome of a " + string(m) + " in the answer to it")
}

// CanSayAmount is that the answer to a method says what was applied.
func CanSayAmount(m payment.Method) Ability {
	return Ability("say the amount of a " + string(m))
}

// CanEcho is that the object of a method repeats our reference, so that another's
// is known as such.
func CanEcho(m payment.Method) Ability {
	return Ability("repeat our reference on a " + string(m))
}

// CanMiss is that a look-up of a method without an id can find nothing.
func CanMiss(m payment.Method) Ability {
	return Ability("find nothing when a " + string(m) + " is looked up")
}

// Inability is something that a provider cannot say, and why.
type Inability struct {
	Ability Ability
	Reason  string
}

// cannot is why the provider cannot say something; "" if it can.
func (c Config) cannot(a Ability) string {
	for _, i := range c.Cannot {
		if i.Ability == a {
			return i.Reason
		}
	}
	return ""
}

// spelled is a key as the provider is sent it.
func (c Config) spelled(k payment.ProviderKey) payment.ProviderKey {
	if c.Key == nil {
		return k
	}
	return c.Key(k)
}

// methods lists every method there is.
func methods() []payment.Method {
	return []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, payment.MethodComplete}
}

// incomplete reports what the Config lacks, or says twice.
func (c Config) incomplete() error {
	if c.New == nil || c.Send == nil || c.Done == nil || c.Found == nil || c.Missing == nil || c.Odd == nil || c.Refused == nil {
		return errors.New("the config lacks a function")
	}
	if len(c.Credentials[0]) < 8 || len(c.Credentials[1]) < 8 || c.Credentials[0] == c.Credentials[1] {
		return errors.New("the config needs two different credentials that cannot be part of a word")
	}
	var known []Ability
	for _, m := range methods() {
		known = append(known, CanFinish(m), CanSayAmount(m), CanEcho(m), CanMiss(m))
	}
	for _, i := range c.Cannot {
		if !slices.Contains(known, i.Ability) || i.Reason == "" {
			return fmt.Errorf("the config declares without a reason, or without need, that the provider cannot %s", i.Ability)
		}
	}
	return c.unsampled(c.New(c.Credentials[0]).Traits())
}

// unsampled reports an ending that the driver declares and no sample shows.
func (c Config) unsampled(t payment.Traits) error {
	for _, m := range t.Methods {
		for _, q := range []Question{ToSend, ToQuery} {
			if q == ToQuery && (!t.Query || m == payment.MethodComplete) { // its authorization is looked up
				continue
			}
			want := []payment.Evidence{payment.EvidenceEffect, payment.EvidenceNoEffectSticky}
			if q == ToSend {
				want[0] = c.ending(m)
			}
			for _, e := range want {
				if e == payment.EvidenceNoEffectSticky && c.cannot(CanFinish(m)) != "" && q == ToSend {
					continue
				}
				if !c.shown(m, q, e) {
					return fmt.Errorf("no sample shows a %s that ends in %s as the answer %q", m, e, q)
				}
			}
		}
	}
	fences := t.Fence != payment.FenceNone && t.Query
	if fences && (!c.shown(payment.MethodAuthorize, ToFenced, payment.EvidenceNoEffectSticky) || !c.shown(payment.MethodAuthorize, ToFenced, payment.EvidenceUnknown)) {
		return errors.New("no sample shows an authorization after its fence, released and not")
	}
	return nil
}

// ending is what the best answer to a method proves.
func (c Config) ending(m payment.Method) payment.Evidence {
	if c.cannot(CanFinish(m)) != "" {
		return payment.EvidencePending
	}
	return payment.EvidenceEffect
}

func (c Config) shown(m payment.Method, q Question, e payment.Evidence) bool {
	return slices.ContainsFunc(c.Samples, func(s Sample) bool {
		return s.Send.Method == m && s.Answers == q && s.Evidence == e && !s.Send.Step.Fence()
	})
}
