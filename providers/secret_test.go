package providers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: what was sent in confidence does not come back in an answer. Method: a
// driver that reads the key, the signature and a token where a provider, or
// something before it, has quoted them.
func TestAnswersRepeatNoSecret(t *testing.T) {
	s := someSend()
	s.Instruction.Tokens = map[payment.AccountName]payment.Token{"main": {StoredID: "token_of_the_payer"}, "other": {StoredID: "short"}}
	told := newBench(t, scripted{parse: func(a *payment.Answer) {
		a.Message = "short: Bearer secret-token, secret-token, token_of_the_payer, " + string(s.Key)
	}}, nil)
	a, err := told.send(t, s)
	if want := "short: [redacted], [redacted], [redacted], [redacted]"; err != nil || a.Message != want || a.Code != "authorized" {
		t.Errorf("message %q, code %q, error %v; want %q", a.Message, a.Code, err, want)
	}
	for name, parse := range map[string]func(*payment.Answer){
		"code":           func(a *payment.Answer) { a.Code = "token_of_the_payer" },
		"decline code":   func(a *payment.Answer) { a.Decline = "secret-token" },
		"exchange's id":  func(a *payment.Answer) { a.RequestID = "req_" + string(s.Key) },
		"code, in words": func(a *payment.Answer) { a.Code = "No " + string(s.Key) },
	} {
		b := newBench(t, scripted{parse: parse}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
		got, err := b.send(t, s)
		if diff := cmp.Diff(payment.Answer{Transport: payment.TransportAnswered}, got); diff != "" || err != nil {
			t.Errorf("%s: error %v, answer (-want +got):\n%s", name, err, diff)
		}
		if log := b.log.String(); !strings.Contains(log, "the answer repeats a secret") || strings.Contains(log, string(s.Key)) || strings.Contains(log, "secret-token") {
			t.Errorf("%s: logged %s", name, log)
		}
	}
}
