package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenMargin is how long before its end a token is not given any more: a request
// may take its time, and clocks differ. Of a token that lives shortly it is a half.
const tokenMargin = time.Minute

// longestToken bounds how long a token is kept, whatever is said of it.
const longestToken = 24 * time.Hour

var errNoToken = errors.New("the answer is no bearer token")

// Token returns an access token as RFC 6749 has them given to clients (section 4.4):
// for a form that is posted to an address. It is asked for once for all who want it
// and given again until shortly before it expires, or until it is refused.
//
// Errors are those of Fetch; of an answer that is none, only its status is told.
func (f *Fetcher) Token(ctx context.Context, address string, form url.Values) (string, error) {
	u, err := f.allowed(address)
	if err != nil {
		return "", err
	}
	// The form holds a secret, so what it is kept under does not.
	sum := sha256.Sum256([]byte(u.String() + "\n" + form.Encode()))
	token, err := f.once(ctx, u, "token "+hex.EncodeToString(sum[:]), func(ctx context.Context) ([]byte, time.Duration, error) {
		return f.grant(ctx, u, form)
	})
	return string(token), err
}

// Refused forgets a token that a provider did not take, so that the next one who
// wants it gets another. Told again, or of a token that is forgotten already, it does
// nothing.
func (f *Fetcher) Refused(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, one := range f.fetches {
		if !one.until.IsZero() && one.err == nil && strings.HasPrefix(name, "token ") && string(one.body) == token {
			delete(f.fetches, name)
		}
	}
}

// grant asks for a token once.
func (f *Fetcher) grant(ctx context.Context, u *url.URL, form url.Values) ([]byte, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, 0, ErrNotAllowed
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	resp, _, err := f.cfg.Transport.Do(ctx, r)
	if err != nil {
		return nil, 0, fmt.Errorf("ask %s for a token: %w", u.Host, err)
	}
	if resp.Status != http.StatusOK {
		return nil, 0, fmt.Errorf("ask %s for a token: status %d", u.Host, resp.Status)
	}
	var given struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if json.Unmarshal(resp.Body, &given) != nil || !isToken(given.AccessToken) || !strings.EqualFold(given.TokenType, "bearer") {
		return nil, 0, fmt.Errorf("ask %s for a token: %w", u.Host, errNoToken)
	}
	life := time.Duration(max(0, min(given.ExpiresIn, int64(longestToken/time.Second)))) * time.Second
	return []byte(given.AccessToken), life - min(tokenMargin, life/2), nil
}

// isToken reports whether a token can stand in a header (RFC 6750, section 2.1).
func isToken(s string) bool {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	return s != "" && strings.Trim(s, set) == ""
}
