// Package payment is the vocabulary of acquit and its pure state machine.
//
// It holds what every other package speaks of (payments, operations, attempts,
// evidence, money) and the only place that knows which transitions of an
// operation are legal (Operation.Next). It does no I/O, reads no clock, and
// imports the standard library only.
//
// Words, as they are used throughout:
//
//   - operation: one (tenant, method, idempotency key).
//   - attempt: one provider account chosen for an operation. It may be sent
//     several times, always with the same provider key and bytes.
//   - step: one request of an attempt that needs a provider key of its own.
//   - send: one request put on the wire.
//   - epoch: the ownership counter of an operation; boot: one process life.
//   - effect: money reserved, moved or released at a provider.
package payment
