package server

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const plantedWebhookSecret = "PLANTEDWEBHOOKSECRET"

// withWebhooks gives the sandbox account of a server a webhook secret in a file.
func withWebhooks(t *testing.T, secrets ...string) func(*Config) {
	t.Helper()
	return func(c *Config) {
		for i, s := range secrets {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(s+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			secret, err := ParseSecret("file:" + path)
			if err != nil || i > 1 {
				t.Fatalf("secret %d: %v", i, err)
			}
			c.Accounts[0].WebhookSecrets = append(c.Accounts[0].WebhookSecrets, secret)
		}
		c.Sweep.Recheck = time.Hour // so that no look-up is faster
	}
}

// fetched asks a listener and returns status and body.
func fetched(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// TestWebhookSettles: what the provider only accepted is settled by its webhook, in
// a server as it is run, long before anybody looks; the counter shows it, and neither
// log nor metrics show the secret.
func TestWebhookSettles(t *testing.T) {
	r := start(t, withWebhooks(t, plantedWebhookSecret, "another webhook secret"))
	client := acquitv1.NewPaymentServiceClient(r.dial(t))
	first, err := client.Authorize(withKey(t, "pending"), request("tok_pending_300ms"))
	if err != nil || first.GetOperation().GetState() != acquitv1.OperationState_OPERATION_STATE_PENDING {
		t.Fatalf("first %v, %v", first.GetOperation().GetState(), err)
	}
	for until := time.Now().Add(10 * time.Second); ; {
		got, err := client.GetPayment(t.Context(), &acquitv1.GetPaymentRequest{PaymentId: first.GetPayment().GetPaymentId()})
		if err != nil {
			t.Fatal(err)
		}
		if got.GetPayment().GetStatus() == acquitv1.PaymentStatus_PAYMENT_STATUS_AUTHORIZED {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("still %v", got.GetPayment().GetStatus())
		}
		<-time.After(200 * time.Millisecond)
	}
	if code, body := fetched(t, http.MethodPost, "http://"+r.HTTP+"/webhooks/sandbox", "{}"); code != http.StatusUnauthorized {
		t.Errorf("without a signature: %d %s", code, body)
	}
	_, metrics := fetched(t, http.MethodGet, "http://"+r.Ops+"/metrics", "")
	for _, result := range []string{"settled", "accepted", "forged"} {
		if !strings.Contains(metrics, `acquit_webhook_results_total{acquit_webhook_result="`+result+`",payment_account="sandbox"}`) {
			t.Errorf("the metrics do not show what was %s", result)
		}
	}
	for where, text := range map[string]string{"log": r.log.String(), "metrics": metrics, "banner": r.out.String()} {
		if strings.Contains(text, plantedWebhookSecret) {
			t.Errorf("the %s shows the secret", where)
		}
	}
}

// TestAccountWithoutWebhookSecrets: such an account takes none, and says so.
func TestAccountWithoutWebhookSecrets(t *testing.T) {
	r := start(t, nil)
	code, body := fetched(t, http.MethodPost, "http://"+r.HTTP+"/webhooks/sandbox", "{}")
	if code != http.StatusNotFound || !strings.Contains(body, "it has no webhook_secrets") {
		t.Errorf("%d %s", code, body)
	}
}

// TestWebhookSecretsAreChecked: a secret that could be guessed, is missing, or is
// there twice stops the start, and is not shown.
func TestWebhookSecretsAreChecked(t *testing.T) {
	for name, secrets := range map[string][]string{
		"short": {"SHORTSECRET"}, "twice": {plantedWebhookSecret, plantedWebhookSecret}, "empty": {""},
	} {
		t.Run(name, func(t *testing.T) {
			c := Default()
			withWebhooks(t, secrets...)(&c)
			_, err := c.Accounts[0].webhookSecrets(nil)
			if err == nil || !strings.HasPrefix(err.Error(), "webhook_secrets[") || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestEntranceBeforeTheServerIsThere: whoever comes early is told to come again.
func TestEntranceBeforeTheServerIsThere(t *testing.T) {
	w, r := &recorded{header: http.Header{}}, &http.Request{Method: http.MethodPost}
	(&entrance{}).ServeHTTP(w, r)
	if w.code != http.StatusServiceUnavailable || w.header.Get("Retry-After") == "" {
		t.Errorf("%d, header %v", w.code, w.header)
	}
}

// recorded is what a handler answered.
type recorded struct {
	header http.Header
	code   int
}

func (w *recorded) Header() http.Header            { return w.header }
func (w *recorded) WriteHeader(code int)           { w.code = code }
func (w *recorded) Write(text []byte) (int, error) { return len(text), nil }
