// Package server puts acquit together and runs it.
//
// Run builds everything from one Config, in an order in which each part finds
// what it needs, and drains it in reverse: health first, the ledger last. The
// gRPC handlers live here too. They convert, delegate and convert, and decide
// nothing: protobuf stops at this package, and payments are decided in
// orchestrator.
//
// It guarantees that a process that says it is ready can take payments, and
// that a process that was asked to end leaves no work behind that it could
// still finish. There is no global state: two servers run in one process side
// by side, with their own metrics, traces and logs.
package server

// Version is that of a build which is no release.
const Version = "v0.1"
