// Package caller is for services in Go that call acquit: dial options that give
// every keyed call its idempotency key and bring it to its answer.
//
// It guarantees:
//
//   - a keyed call leaves with the one key that its caller gave it, and is refused
//     here if there is none; no key is ever made up, and every repetition of a call
//     has the key of the first;
//   - a call is repeated only while acquit says that the same key can bring another
//     answer (acquit-should-retry), or where the connection broke (UNAVAILABLE) and
//     acquit could say nothing;
//   - no repetition comes earlier than the server asks for (RetryInfo and
//     grpc-retry-pushback-ms), and none is begun that the deadline leaves no time for;
//   - reads are repeated on UNAVAILABLE by gRPC itself; nothing is repeated twice
//     over.
//
// It does not decide what a key names: that is the caller's intent, such as "pay
// order 4711", and has to survive the caller's own crash. And it does not read
// answers: a decline is one, so look at operation.state.
//
// Source: the comments of PaymentService; gRFC A6 for retries and pushback;
// google/rpc/error_details.proto for RetryInfo.
package caller
