package caller

import (
	"math"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Goal: acquit's own word goes before the code, wherever it stands, and what
// nobody said of a call is not assumed. Method: statuses with each word in the
// header, the trailer, both and neither.
func TestAcquitsWordDecides(t *testing.T) {
	t.Parallel()
	const word, pushback = "acquit-should-retry", "grpc-retry-pushback-ms"
	for name, c := range map[string]struct {
		code            codes.Code
		header, trailer metadata.MD
		again           bool
		after           time.Duration
	}{
		"no word, the connection broke":   {codes.Unavailable, nil, nil, true, 0},
		"no word, no time":                {codes.DeadlineExceeded, nil, nil, false, 0},
		"no word, out of room":            {codes.ResourceExhausted, nil, nil, false, 0},
		"no word, another's bug":          {codes.Internal, nil, nil, false, 0},
		"yes in the header":               {codes.Internal, metadata.Pairs(word, "true"), nil, true, 0},
		"yes where there is only trailer": {codes.Internal, nil, metadata.Pairs(word, "true"), true, 0},
		"no, though unavailable":          {codes.Unavailable, metadata.Pairs(word, "false"), nil, false, 0},
		"both":                            {codes.Unavailable, metadata.Pairs(word, "true"), metadata.Pairs(word, "false"), false, 0},
		"neither":                         {codes.Unavailable, metadata.Pairs(word, "perhaps"), nil, false, 0},
		"later":                           {codes.Unavailable, nil, metadata.Pairs(pushback, "1500"), true, 1500 * time.Millisecond},
		"later, twice":                    {codes.Unavailable, nil, metadata.Pairs(pushback, "1500", pushback, "1500"), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judge(status.Error(c.code, ""), c.header, c.trailer)
			if got.again != c.again || got.after != c.after {
				t.Errorf("again: %t after %s, want %t after %s", got.again, got.after, c.again, c.after)
			}
		})
	}
}

// Goal: a server that wants to be left alone for as long as can be said is not asked again
// at once. Method: the longest delay that a status can hold.
func TestLongestDelayIsNoneTooShort(t *testing.T) {
	t.Parallel()
	st, err := status.New(codes.Unavailable, "").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(math.MaxInt64)})
	if err != nil {
		t.Fatal(err)
	}
	if got := judge(st.Err(), nil, nil); !got.again || got.after+time.Hour < got.after {
		t.Errorf("again: %t after %s, to which an hour cannot be added", got.again, got.after)
	}
}
