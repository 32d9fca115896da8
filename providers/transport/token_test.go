package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const tokenAddress = "https://example.com/connect/token"

func form(secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {secret}}
}

// granter gives numbered tokens that live so long, to who posts a form.
func granter(t *testing.T, seconds int) *publisher {
	t.Helper()
	var mu sync.Mutex
	count := 0
	return publish(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || !strings.Contains(string(body), "client_secret=secret") {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		count++
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":%d,"token_type":"Bearer"}`, count, seconds)
	}, nil)
}

// Goal: a token is asked for once for everybody, given again while it is good, and not
// any more shortly before its end, by whatever its life is. Method: many callers at
// once, then time passes.
func TestTokenIsKept(t *testing.T) {
	for life, c := range map[int]struct{ good, old time.Duration }{
		3600: {58 * time.Minute, 2 * time.Minute}, 20: {9 * time.Second, 2 * time.Second}, 1: {0, time.Second}, 0: {0, 0}, -5: {0, 0},
		999_999_999: {23 * time.Hour, time.Hour},
	} {
		p := granter(t, life)
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() {
				if token, err := p.Token(t.Context(), tokenAddress, form("secret")); err != nil || (life > 0 && token != "token-1") {
					t.Errorf("life %d: %q, error %v", life, token, err)
				}
			})
		}
		wait.Wait()
		if life <= 0 {
			continue // one that is old already is for who asked alone
		}
		for _, step := range []struct {
			pass time.Duration
			want string
		}{{c.good, "token-1"}, {c.old, "token-2"}} {
			p.pass(step.pass)
			if token, err := p.Token(t.Context(), tokenAddress, form("secret")); err != nil || token != step.want {
				t.Errorf("life %d, %s later: %q, error %v", life, step.pass, token, err)
			}
		}
	}
}

// Goal: a token that was refused is not given again, whoever says so and how often; a
// token of before takes nothing from who has another one.
func TestTokenRefused(t *testing.T) {
	p := granter(t, 3600)
	get := func(want string) {
		t.Helper()
		if token, err := p.Token(t.Context(), tokenAddress, form("secret")); err != nil || token != want {
			t.Errorf("%q, want %q, error %v", token, want, err)
		}
	}
	get("token-1")
	p.Refused("token-1")
	get("token-2")
	p.Refused("token-1")
	p.Refused("")
	get("token-2")
	if p.times("/connect/token") != 2 {
		t.Errorf("asked %d times", p.times("/connect/token"))
	}
}

// Goal: what is no token is none, and neither it nor the secret is told; a client that
// is refused takes no other one's token, and nobody is asked elsewhere. Method: answers
// that are none, another secret, and addresses that are not allowed.
func TestTokenFailures(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "HTML": "<html>", "no token": `{"token_type":"Bearer","expires_in":1}`, "another type": `{"access_token":"t","token_type":"mac","expires_in":1}`,
		"a line break": `{"access_token":"a\nb","token_type":"Bearer","expires_in":1}`, "a space": `{"access_token":"a b","token_type":"Bearer","expires_in":1}`,
	} {
		p := publish(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }, nil)
		if token, err := p.Token(t.Context(), tokenAddress, form("secret")); err == nil || token != "" {
			t.Errorf("%s: %q, error %v", name, token, err)
		}
	}
	p := granter(t, 3600)
	if _, err := p.Token(t.Context(), tokenAddress, form("secret")); err != nil {
		t.Fatal(err)
	}
	token, err := p.Token(t.Context(), tokenAddress, form("WRONG"))
	if err == nil || token != "" || strings.Contains(err.Error(), "WRONG") || strings.Contains(err.Error(), "client") {
		t.Errorf("another secret: %q, error %v", token, err)
	}
	for _, address := range []string{"http://example.com/connect/token", "https://evil.example/connect/token"} {
		if token, err := p.Token(t.Context(), address, form("secret")); err == nil {
			t.Errorf("%s: %q", address, token)
		}
	}
}
