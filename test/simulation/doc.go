// Package simulation runs whole histories of acquit, each drawn from one seed,
// and judges them by the invariants of the payment protocol.
//
// # What is simulated
//
// The real orchestrator in two or three process lives over one ledger in memory,
// behind the production chain of interceptors; two provider accounts that keep
// their own truth about keys, objects and effects; and callers that behave as the
// contract asks: the same key again until there is an answer, or no longer. Things
// go wrong at every place where processes meet: the ledger is away, slow, or loses
// an answer on either side of its write; a request is refused, declined, lost
// before or after its effect, answered late, copied, delivered after everybody has
// gone; a process is killed, paused past its session, drained, or has another
// clock; a provider forgets keys, and a credential is replaced.
//
// # How a history is drawn
//
// testing/synctest gives fake time, not an order of events. So whatever leaves a
// process waits at a gate: a ledger call before the store acts and again before
// its answer arrives, a request to a provider and its answer, a point of the flow
// at which the process is stopped. A scheduler, seeded, opens one gate or lets some
// time pass, waits until everything has come to rest again, and writes down what
// happened. Every step has an instant of its own, so that two timers that began
// apart never end together. Names in a history are logical: ids and nonces are
// random and have no part in it. The same seed is the same history, byte for byte.
//
// # What is judged
//
// The invariants I1 to I14 and I16 of the protocol, after every step as far as
// they can be seen, and again after a quiet phase in which nothing fails, all
// copies arrive and everybody asks again. The judge reads what the providers did
// and what the ledger holds, and adds up by itself: it asks no code that it judges.
//
// # What is not
//
// The store is the memory ledger: that etcd and PostgreSQL keep the same contract
// is the business of the conformance suite. Requests are not HTTP: drivers, the
// guard and the transport have their own tests, and test/faults kills real
// processes. Between two gates a process does not stop.
//
// # Replaying a seed
//
//	go test ./test/simulation -run TestHistories -seed 4711
//
// prints the history of one seed. -seeds N runs seeds 1 to N, and more than the
// usual few is the business of a nightly run.
package simulation
