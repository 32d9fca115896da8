//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// caller calls one serve process and keeps what comes back to the byte.
type caller struct {
	name string
	conn *grpc.ClientConn
}

// newCaller connects to a serve process. Nothing is retried behind the test's
// back.
func newCaller(t *testing.T, name, addr string) *caller {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{name: name, conn: conn}
}

// answer is what came back from one call.
type answer struct {
	raw      []byte // the message as it was on the wire
	response response
	stored   bool // it is the last word about its key
	replayed bool
	repeat   string // whether the same key may get another answer, in the server's words; "" if it said nothing
	err      error
	began    time.Time
	took     time.Duration
}

func (a answer) state() acquitv1.OperationState {
	if a.response == nil {
		return acquitv1.OperationState_OPERATION_STATE_UNSPECIFIED
	}
	return a.response.GetOperation().GetState()
}

func (a answer) code() codes.Code { return status.Code(a.err) }

// reason is the ErrorReason of an error, "" without one.
func (a answer) reason() string {
	for _, d := range status.Convert(a.err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// String is a word about it for a failed test.
func (a answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("%s %s %q after %s", a.code(), a.reason(), status.Convert(a.err).Message(), a.took.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s stored=%t replayed=%t after %s", a.state(), a.stored, a.replayed, a.took.Round(time.Millisecond))
}

// call makes one call and waits for what comes back.
func (c *caller) call(ctx context.Context, i intent) answer {
	a := answer{began: time.Now()}
	ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", i.key)
	method, request, response := i.message()
	var header metadata.MD
	a.err = c.conn.Invoke(ctx, method, request, &a.raw,
		grpc.ForceCodec(verbatim{}), grpc.Header(&header), grpc.WaitForReady(false))
	a.took = time.Since(a.began)
	a.repeat = strings.Join(header.Get("acquit-should-retry"), ",")
	if a.err != nil {
		return a
	}
	if err := proto.Unmarshal(a.raw, response); err != nil {
		a.err = fmt.Errorf("the answer to %s is not what it should be: %w", method, err)
	}
	a.response = response
	a.stored = a.repeat == "false"
	a.replayed = strings.Join(header.Get("acquit-idempotent-replayed"), ",") == "true"
	return a
}

// within makes one call with a deadline.
func (c *caller) within(t *testing.T, limit time.Duration, i intent) answer {
	t.Helper()
	return c.call(bounded(t, limit), i)
}

// bounded is the context of a call that begins now and has this much time.
func bounded(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// begin makes a call beside the test; what comes back is sent once.
func (c *caller) begin(ctx context.Context, i intent) <-chan answer {
	back := make(chan answer, 1)
	go func() { back <- c.call(ctx, i) }()
	return back
}

// patience is how long a careful caller repeats its call, and how long a test waits
// for what must come by itself. It only bounds how long a failure takes: the
// machine may be slow, and the race detector makes it slower still.
const patience = 2 * time.Minute

// insist does what the contract asks of a caller: it repeats the call with the
// same key as long as the answer is not the last word. Anything that a careful
// caller could not go on from fails the test.
func (c *caller) insist(t *testing.T, i intent) answer {
	t.Helper()
	a, err := c.persist(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// persist is insist for use in goroutines.
func (c *caller) persist(ctx context.Context, i intent) (answer, error) {
	return c.persistFor(ctx, patience, i)
}

// persistFor is persist with a patience of its own.
func (c *caller) persistFor(ctx context.Context, limit time.Duration, i intent) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var history []string
	for {
		call, end := context.WithTimeout(ctx, 10*time.Second)
		a := c.call(call, i)
		end()
		if a.err == nil && a.stored {
			return a, nil
		}
		history = append(history, a.String())
		if a.err != nil && !repeatable(a) {
			return a, fmt.Errorf("%s: a caller cannot go on: %s", c.name, strings.Join(history, "; "))
		}
		if !rest(ctx, 100*time.Millisecond) {
			return a, fmt.Errorf("%s: no last word about the key within %s: %s", c.name, limit, strings.Join(history, "; "))
		}
	}
}

// repeatable reports whether the contract tells a caller to ask again with the
// same key.
func repeatable(a answer) bool {
	switch a.code() {
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	case codes.FailedPrecondition:
		return a.reason() == "PARENT_UNKNOWN"
	default:
		return false
	}
}

// rest waits between two calls; false if there is no time for another.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// verbatim marshals requests as usual and leaves responses as they are.
type verbatim struct{}

func (verbatim) Name() string { return "proto" }

func (verbatim) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return proto.Marshal(m)
}

func (verbatim) Unmarshal(data []byte, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return errors.New("responses go into bytes")
	}
	*into = append([]byte(nil), data...) // the buffer is the transport's
	return nil
}
