// Package account is what the simulated accounts of all providers have beside their own
// API: a log of what arrived and of what it did to money, and a script of what goes
// wrong. Tests hold the log against what acquit says; it is never forgotten or changed.
package account

import (
	"slices"
	"sync"
)

// Kind says what an effect did to the payer's money. Each simulator names its kinds.
type Kind string

// Effect is one movement of money.
type Effect struct {
	Kind      Kind
	Payment   string // the provider's id of the payment: Adyen's pspReference, Stripe's intent, Amazon Pay's charge
	Reference string // ours, where the provider is told it
	Object    string // what shows it: the payment, or what was made of it
	Amount    int64  // in the provider's smallest unit
	Currency  string
	Key       string // of the request that made it; "" if none did
}

// Of is an effect as most tests look at it: its kind and its amount.
func Of(k Kind, amount int64) Effect { return Effect{Kind: k, Amount: amount} }

// Request is a request as it arrived.
type Request struct {
	Method   string
	Path     string // with the query where a provider has one
	Key      string
	Body     string
	Status   int // of the answer; 0 if there was none
	Replayed bool
	ID       string // the provider's, of the answer, also where the answer was lost
}

// Log is what arrived at an account and what it did. The zero value is empty. It is
// safe for concurrent use.
type Log struct {
	mu       sync.Mutex
	effects  []Effect
	requests []Request
}

// Moved writes an effect down.
func (l *Log) Moved(e Effect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.effects = append(l.effects, e)
}

// Arrived writes a request down.
func (l *Log) Arrived(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

// Effects returns the effects of the kinds, of all if none is named, oldest first.
func (l *Log) Effects(kinds ...Kind) []Effect {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.effects), func(e Effect) bool { return len(kinds) > 0 && !slices.Contains(kinds, e.Kind) })
}

// Sums returns all effects by kind and amount alone, oldest first.
func (l *Log) Sums() []Effect {
	all := l.Effects()
	for i, e := range all {
		all[i] = Of(e.Kind, e.Amount)
	}
	return all
}

// Requests returns what arrived, oldest first.
func (l *Log) Requests() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests)
}

// Came reports whether a request under a key has arrived.
func (l *Log) Came(key string) bool {
	return key != "" && slices.ContainsFunc(l.Requests(), func(r Request) bool { return r.Key == key })
}
