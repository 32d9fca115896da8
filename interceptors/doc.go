// Package interceptors is what every call passes before a handler sees it and
// after the handler is done: the log line, the error a caller reads, the
// tenant, the reference id, the checks of the request, the deadline, and the
// idempotency key.
//
// It guarantees, for each keyed call (a method whose idempotency level in the
// contract is IDEMPOTENT):
//
//   - the handler runs only with a well-formed key, for an authenticated tenant,
//     with a request that has no field the fingerprint would miss;
//   - the same key with another payload never sees an answer and never executes;
//   - every error has a canonical code, and an ErrorInfo wherever the contract
//     names a reason; nothing of a provider, a panic or another tenant is in it;
//   - a panic behind the recovery interceptor ends one call, not the process, and
//     leaves no key blocked.
//
// It does not read the ledger before a call and does not know providers: the
// ledger says by payment.KeyTakenError that a key is in use, and Keys does what
// then has to be done to the operation.
//
// Source: gRPC's status codes and metadata rules; google.rpc.ErrorInfo,
// BadRequest and RetryInfo (google/rpc/error_details.proto); gRFC A6 for the
// trailer grpc-retry-pushback-ms.
package interceptors
