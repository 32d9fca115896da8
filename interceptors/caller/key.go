package caller

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// keyMetadata is the request metadata that carries the idempotency key.
const keyMetadata = "idempotency-key"

// maxKey is the longest key, in characters.
const maxKey = 128

// Key is the caller's own name for one intent: 1 to 128 printable ASCII
// characters, without a space at either end. Whoever may ask again, after a crash
// too, has to find the same key, so write it down, or derive it from what is
// written down, before the first call. Keys of different methods never collide.
type Key string

// Refusals of calls that were not sent. All are bugs of the caller, and have the
// code INVALID_ARGUMENT as the server's own would.
var (
	// ErrKeyRequired says that a keyed method was called without a key.
	ErrKeyRequired error = &refusedError{why: "this method needs an idempotency key, one per intent: call it with caller.Under or caller.WithKey"}

	// ErrKeyInvalid says that acquit would refuse the key.
	ErrKeyInvalid error = &refusedError{why: "the idempotency key is not usable"}

	// ErrKeyAmbiguous says that the metadata of a call already names another key.
	ErrKeyAmbiguous error = &refusedError{why: "the call has two idempotency keys"}

	// ErrNoDeadline says that a call is to go on until its outcome is stored, but
	// has no deadline, and so might never end.
	ErrNoDeadline error = &refusedError{why: "a call that goes on until its outcome is stored needs a deadline"}
)

// refusedError is the error of a call that was not sent.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return "caller: " + e.why }

func (e *refusedError) GRPCStatus() *status.Status {
	return status.New(codes.InvalidArgument, e.Error())
}

type (
	contextKey struct{}

	keyOption struct {
		grpc.EmptyCallOption

		key Key
	}
)

// Under makes one call under a key. It goes before a key in the context.
func Under(key Key) grpc.CallOption { return keyOption{key: key} }

// WithKey returns a context under whose key the keyed calls made with it are
// made. Use it for one intent only: a second call of the same method would be the
// first one again.
func WithKey(ctx context.Context, key Key) context.Context {
	return context.WithValue(ctx, contextKey{}, key)
}

// attach puts the key of a call into its metadata, once for all its repetitions.
func attach(ctx context.Context, options []grpc.CallOption) (context.Context, error) {
	key, given := given(ctx, options)
	sent, _ := metadata.FromOutgoingContext(ctx)
	already := sent.Get(keyMetadata)
	switch {
	case !given && len(already) == 0:
		return nil, ErrKeyRequired
	case !given:
		key = Key(already[0])
	}
	for _, other := range already {
		if other != string(key) || len(already) > 1 {
			return nil, fmt.Errorf("%w: its metadata names one too", ErrKeyAmbiguous)
		}
	}
	if err := key.validate(); err != nil {
		return nil, err
	}
	if len(already) == 1 {
		return ctx, nil
	}
	return metadata.AppendToOutgoingContext(ctx, keyMetadata, string(key)), nil
}

// given is the key that the caller named, in an option or else the context.
func given(ctx context.Context, options []grpc.CallOption) (key Key, ok bool) {
	key, ok = ctx.Value(contextKey{}).(Key)
	for _, o := range options {
		if named, is := o.(keyOption); is {
			key, ok = named.key, true
		}
	}
	return key, ok
}

// validate checks what the server checks, and never repeats the key, which may
// say whose payment it is.
func (k Key) validate() error {
	switch {
	case k == "":
		return fmt.Errorf("%w: it is empty", ErrKeyInvalid)
	case len(k) > maxKey:
		return fmt.Errorf("%w: it has %d characters, at most %d are allowed", ErrKeyInvalid, len(k), maxKey)
	case k[0] == ' ' || k[len(k)-1] == ' ':
		return fmt.Errorf("%w: it must not begin or end with a space", ErrKeyInvalid)
	case strings.ContainsFunc(string(k), func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("%w: it may have printable ASCII characters only", ErrKeyInvalid)
	}
	return nil
}
