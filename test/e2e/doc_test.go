// Package e2e shows what one call does, from the client's bytes to the
// provider's log and back, with everything of production in between: the chain
// of interceptors, the handlers, the orchestrator, the guard, the transport, the
// sandbox's driver and the simulated provider. Only the ledger is in memory, the
// connections are pipes, and the time is fake, so that a test of minutes takes
// milliseconds.
//
// Every test ends with a quiet phase, in which all delayed copies arrive, and an
// audit of every record against the provider's own log of effects; see audit.
//
// It does not kill processes and knows no etcd; test/faults does.
package e2e
