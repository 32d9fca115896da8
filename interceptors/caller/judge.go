package caller

import (
	"math"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Response metadata that says whether and when to ask again.
const (
	headerShouldRetry = "acquit-should-retry"
	trailerPushback   = "grpc-retry-pushback-ms"
)

// answer is what came of asking once.
type answer struct {
	err   error
	again bool          // the same key can bring another answer
	after time.Duration // but not before this has passed
}

// judge reads what came back. Acquit's own word decides, whatever the code. Where
// it said nothing, the call may have ended anywhere on its way; UNAVAILABLE is
// then repeated, which the key makes safe, and nothing else is.
func judge(err error, header, trailer metadata.MD) answer {
	a := answer{err: err}
	said := slices.Concat(header.Get(headerShouldRetry), trailer.Get(headerShouldRetry)) // the trailer, if there is nothing but a status
	a.again = len(said) > 0 && !slices.ContainsFunc(said, func(v string) bool { return v != "true" })
	if err == nil {
		return a
	}
	st := status.Convert(err)
	if len(said) == 0 {
		a.again = st.Code() == codes.Unavailable
	}
	pushback, allowed := pushbackIn(trailer)
	a.again = a.again && allowed
	a.after = max(pushback, retryDelay(st))
	return a
}

// pushbackIn is how long the server wants to be left alone. A negative value, and
// one that cannot be read, means for good (gRFC A6).
func pushbackIn(trailer metadata.MD) (after time.Duration, allowed bool) {
	values := trailer.Get(trailerPushback)
	if len(values) == 0 {
		return 0, true
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil || ms < 0 || len(values) > 1 {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}

// longestDelay is the longest that a pushback can ask for, too.
const longestDelay = math.MaxInt32 * time.Millisecond

// retryDelay is the delay of the status's RetryInfo, and 0 without one. It is bounded, so
// that a wait that is added to it does not overflow into none.
func retryDelay(st *status.Status) time.Duration {
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return min(max(0, info.GetRetryDelay().AsDuration()), longestDelay)
		}
	}
	return 0
}
