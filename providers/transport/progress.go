package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Error is a failed exchange, in words that hold nothing of the request or the
// response. It wraps the context's error, where that was the cause, and nothing
// else: net/http's own errors quote URLs and bytes received.
type Error struct {
	Class payment.Transport
	// Stage is how far the exchange certainly got; it may have got further.
	Stage string
	// Cause is what ended it, out of a fixed list.
	Cause string

	wrapped error
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("http exchange %s: %s; %s", e.Class, e.Cause, e.Stage)
}

// Unwrap returns context.DeadlineExceeded, context.Canceled or nil.
func (e *Error) Unwrap() error { return e.wrapped }

// progress is what net/http reported about one exchange, from several
// goroutines, some of which may still run when the exchange is given up.
type progress struct {
	connected, wroteHeaders, wroteRequest, firstByte atomic.Bool
}

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { p.connected.Store(true) },
		WroteHeaders: func() { p.wroteHeaders.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				p.wroteRequest.Store(true)
			}
		},
		GotFirstResponseByte: func() { p.firstByte.Store(true) },
	}
}

// failure is the one function that classes a failed exchange. Whatever it does
// not know for certain is one of the classes that mean unknown.
func (p *progress) failure(ctx context.Context, err error) *Error {
	e := &Error{Class: payment.TransportBroken, Stage: p.stage(), Cause: cause(err)}
	switch {
	case !p.connected.Load():
		// net/http writes nothing before it has reported the connection.
		e.Class = payment.TransportNeverSent
		if tlsFailure(err) {
			e.Class = payment.TransportUntrusted
		}
	case errors.Is(err, errOversized):
		e.Class = payment.TransportOversized
	case refusedUnprocessed(err) && !p.firstByte.Load():
		e.Class = payment.TransportRefusedStream
	case timedOut(ctx, err):
		e.Class = payment.TransportTimeout
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) || errors.Is(ctx.Err(), known) {
			e.wrapped = known
			break
		}
	}
	return e
}

func (p *progress) stage() string {
	switch {
	case p.firstByte.Load():
		return "the response had begun"
	case p.wroteRequest.Load():
		return "the request was written"
	case p.wroteHeaders.Load():
		return "the headers were written"
	case p.connected.Load():
		return "connected"
	}
	return "no connection"
}

func timedOut(ctx context.Context, err error) bool {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// streamError has the shape in which net/http gives away its HTTP/2 stream
// errors to errors.As.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error implements error.
func (e streamError) Error() string { return fmt.Sprintf("stream error %d", e.Code) }

// refusedUnprocessed reports whether the HTTP/2 server said that it did not
// process the request (REFUSED_STREAM, RFC 9113 section 8.7).
//
// net/http tells that by type only where it has not first tried to repeat the
// request. For a write, which it cannot repeat, it makes a text of the refusal,
// and of a GOAWAY, that a PROTOCOL_ERROR shares; those are classed as broken,
// which costs a resend under the same key and never a second effect.
func refusedUnprocessed(err error) bool {
	const refusedStream = 0x7
	e, ok := errors.AsType[streamError](err)
	return ok && e.Code == refusedStream
}

// cause names what ended an exchange. The words are ours, whatever the error
// says: it may quote the URL or what the provider sent.
func cause(err error) string {
	switch {
	case errors.Is(err, errOversized):
		return errOversized.Error()
	case errors.Is(err, errInterim):
		return errInterim.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline exceeded"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "connection closed"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "name not resolved"
	}
	if tlsFailure(err) {
		return "tls failure"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timeout"
	}
	return "transport failure"
}

func tlsFailure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.AlertError](err)
	return ok
}
