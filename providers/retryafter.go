package providers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a provider may ask to wait: more is a mistake, and
// no reason to leave an operation alone for longer than somebody would notice.
const maxRetryAfter = 24 * time.Hour

// retryAfter is the wait that a response asks for, 0 if it asks for none: the
// longer one of Retry-After (seconds or a date, RFC 9110 section 10.2.3) and,
// when X-RateLimit-Remaining is 0, X-RateLimit-Reset (seconds, or the time of
// the reset in seconds or milliseconds of the epoch; providers do each).
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	for _, v := range h.Values("Retry-After") {
		v = strings.TrimSpace(v)
		if at, err := http.ParseTime(v); err == nil {
			wait = max(wait, at.Sub(now))
		} else {
			wait = max(wait, seconds(v))
		}
	}
	if strings.TrimSpace(h.Get("X-Ratelimit-Remaining")) == "0" {
		wait = max(wait, untilReset(strings.TrimSpace(h.Get("X-Ratelimit-Reset")), now))
	}
	return min(wait, maxRetryAfter)
}

// seconds reads a number of seconds; what is not one asks for nothing.
func seconds(s string) time.Duration {
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) && n > 0 {
		return maxRetryAfter
	}
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, int64(maxRetryAfter/time.Second))) * time.Second
}

func untilReset(s string, now time.Time) time.Duration {
	const epoch, epochMillis = 1_000_000_000, 1_000_000_000_000 // a day has 86,400 seconds; no wait comes near
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n < epoch:
		return seconds(s)
	case n < epochMillis:
		return max(0, time.Unix(n, 0).Sub(now))
	}
	return max(0, time.UnixMilli(n).Sub(now))
}
