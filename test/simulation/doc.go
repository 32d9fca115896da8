// Package simulation runs whole histories of acquit, each drawn from one seed,
// and judges them by the invariants of the payment protocol.
//
// # What is simulated
//
// The real orchestrator in two to six process lives over one ledger in memory,
// behind the production chain of interceptors; two provider accounts that keep
// their own truth about keys, objects and effects, and tell of them by events;
// and callers that behave as the contract asks: the same key again until there is
// an answer, or no longer. Things go wrong at every place where processes meet:
// the ledger is away, slow, or loses an answer on either side of its write; a
// request is refused, declined, lost before or after its effect, answered late,
// copied, delivered after everybody has gone; a process is killed, paused past its
// session, drained, or has another clock; events come late, twice or never; a
// provider forgets keys, and a credential is replaced.
//
// # How a history is drawn
//
// testing/synctest gives fake time, not an order of events. So whatever leaves a
// process waits at a gate: a ledger call before the store acts and again before
// its answer arrives, a request to a provider and its answer, a point of the flow
// at which the process is stopped. A scheduler, seeded, opens one gate or lets some
// time pass, waits until everything has come to rest again, and writes down what
// happened. Every step has an instant of its own, so that two timers that began
// apart do not end together. Names in a history are logical: ids and nonces are
// random and have no part in it. The same seed is the same history, byte for byte.
//
// A process that is killed ends at its next gate, with every goroutine. One that
// is paused opens no gate, but its timers run: that is harder on it than a real
// pause, in which they would wait as well.
//
// # What is judged
//
// The invariants I1 to I16 of the protocol, after every step as far as they can be
// seen, and again after a quiet phase in which nothing fails, all copies arrive,
// everybody asks again and what is due is visited, until each operation is final
// or before a person. The judge reads what the providers did and what the ledger
// holds, and adds up by itself: it asks no code that it judges.
//
// # What is not
//
// The store is the memory ledger: that etcd and PostgreSQL keep the same contract
// is the business of the conformance suite. Requests are not HTTP, and a response
// has only what the judge reads in it: drivers, guard, transport and renderer have
// their own tests, and test/faults kills real processes. How the sweep shares the
// work out is left to its own tests: here any process may visit what is due. No
// provider applies more than it was asked for. Between two gates a process does
// not stop. Of callers with one key and payload at most two at a time are in one
// process: which of three goes first is the runtime's choice.
//
// # Replaying a seed
//
//	go test ./test/simulation -run TestHistories -seed 4711
//
// prints the history of one seed. -seeds N runs the seeds from 1 to N, and -from M
// begins with M instead. That the simulation can fail is shown by the command
// mutants, in the directory below.
package simulation
