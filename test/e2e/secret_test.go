package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/truelayer"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// parrot is a provider that refuses every request and quotes in its refusal whatever it
// was sent, the credential too.
type parrot struct {
	driver string
	books  http.Handler // the simulator, if the audit wants to find the refusal there; it refuses next

	mu  sync.Mutex
	saw string // all that it was sent in headers
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var quoted []string
	for _, values := range r.Header {
		quoted = append(quoted, values...)
	}
	message := "refused: " + strings.Join(quoted, " ")
	p.mu.Lock()
	p.saw += message
	p.mu.Unlock()
	body := map[string]any{ // the form of Adyen's errors, of the sandbox's and of Amazon Pay's at once
		"status": 401, "reasonCode": "UnauthorizedAccess", "errorCode": "000", "errorType": "security", "error": map[string]any{"code": "unauthorized"},
	}
	if p.books != nil {
		booked := httptest.NewRecorder()
		p.books.ServeHTTP(booked, r)
		maps.Copy(w.Header(), booked.Header())
		_ = json.Unmarshal(booked.Body.Bytes(), &body)
	}
	body["message"] = message
	if e, ok := body["error"].(map[string]any); ok {
		e["message"] = message
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(http.StatusUnauthorized)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
}

// quotes checks that the parrot was asked, and had something to quote.
func (p *parrot) quotes(h *house, secret string) {
	h.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.Contains(p.saw, secret) {
		h.Errorf("the parrot of %s never saw the credential", p.driver)
	}
}

// sent is what of the credential goes to the provider: of a key that signs only its name.
func (r remote) sent() string {
	switch r.driver {
	case amazonpay.Name:
		return amazonpaytest.PublicKeyID
	case truelayer.Name:
		return trueLayerToken
	}
	return string(r.credential)
}

// parrots puts one in the place of each provider from now on, by account.
func (h *house) parrots() map[payment.AccountName]*parrot {
	h.Helper()
	all := map[payment.AccountName]*parrot{}
	for _, r := range []*remote{&h.providers[0].remote, &h.stripes[0].remote, &h.adyens[0].remote, &h.amazons[0].remote, &h.layers[0].remote} {
		p := &parrot{driver: r.driver}
		if r.driver == stripe.Name {
			h.stripes[0].Next(stripesim.FaultUnauthorized)
			p.books = h.stripes[0].Simulator
		}
		all[r.account] = p
		r.pipes = &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s, listener := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}, r.pipes
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				h.Errorf("parrot %s: %v", p.driver, err)
			}
		})
		h.Cleanup(func() {
			_ = s.Close()
			serving.Wait()
		})
	}
	return all
}

// Goal: no credential and no webhook secret of a driver whose provider has a place in
// the house comes out anywhere: in no answer and no error, no line of the log, span, metric or record.
// Method: one account for each driver; authorizations that succeed, are declined, fail
// and are lost, webhooks genuine and forged; then a provider that repeats in its answers
// all that it is sent; all texts, as they are and as records encode them.
func TestNoSecretOfAnyDriverComesOut(t *testing.T) {
	t.Parallel()
	s := setting{
		each: true, hook: &simulator.Webhook{Forged: true}, stripe: &stripesim.Config{}, adyen: &adyensim.Config{}, amazon: &amazonsim.Config{},
		truelayer: &truelayersim.Config{}, accounts: []payment.AccountName{sandbox.Name, stripe.Name, adyen.Name, amazonpay.Name, truelayer.Name},
	}
	tokens := map[string][]string{
		sandbox.Name:   {"tok_ok", "tok_decline_lost_card", "tok_401", "tok_500_after_effect_always", "tok_drop"},
		stripe.Name:    {"pm_card_visa", "pm_card_visa_chargeDeclinedLostCard", "pm_fault_401", "pm_fault_500_after", "pm_fault_drop_after"},
		amazonpay.Name: {"S01-1234567-1234567", "S01-HARDDECLINED", "fault_429", "fault_500_after", "fault_drop_after"},
		adyen.Name:     {"card_ok", "card_refused_fraud", "fault_401", "fault_500_after", "fault_drop_after"},
		truelayer.Name: {"", "fails_blocked", "fault_401_token", "fault_401_signature", "fault_500_after", "fault_drop_after"}, // banks
	}
	inHouse(t, s, func(h *house) {
		p := h.sweeps("one")
		var told []string
		call := func(account payment.AccountName, token string) {
			r := spends(token)
			r.GetPaymentMethod().GetTokenSet().Tokens[0].Account = string(account)
			if account == truelayer.Name {
				fault, faulty := strings.CutPrefix(token, "fault_")
				if r = transfers(token); faulty {
					h.layers[0].Next(truelayersim.Fault(fault))
				}
			}
			got := p.authorize(h.Context(), planted(string(account)+token), r)
			told = append(told, string(got.bytes), fmt.Sprint(got.err, status.Convert(got.err).Details(), got.header, got.trailer))
			if id := got.answer().GetPayment().GetPaymentId(); id != "" {
				read, err := p.payment(h.Context(), id)
				told = append(told, read.String(), fmt.Sprint(err))
			}
		}
		for _, r := range h.remotes() {
			if len(tokens[r.driver]) == 0 {
				t.Fatalf("nothing is tried with driver %s", r.driver)
			}
			for _, token := range tokens[r.driver] {
				call(r.account, token)
			}
			h.delivers(r.account, "Stripe-Signature", "t=1,v1=forged", []byte(`{"live":"false","notificationItems":[{}]}`))
			if a := h.amazon(r.account); a != nil {
				h.notice(a, a.message("CHARGE", "S01-1"), nil)
				h.notice(a, a.message("CHARGE", "S01-1"), func(e amazonpaytest.Object) { e["Message"] = e["TopicArn"] })
			}
		}
		time.Sleep(time.Hour) // until nothing but the parrots' is sent
		parrots := h.parrots()
		for _, r := range h.remotes() {
			call(r.account, "parrot")
			parrots[r.account].quotes(h, r.sent())
		}
		told = append(told, h.accountsAsTold(p))
		h.secretFree(told)
	})
}

// accountsAsTold is what an operator is told of the accounts.
func (h *house) accountsAsTold(p *process) string {
	h.Helper()
	all, err := acquitv1.NewOperatorServiceClient(p.conn).ListAccounts(h.Context(), &acquitv1.ListAccountsRequest{})
	if err != nil {
		return err.Error()
	}
	return all.String()
}

// secretFree looks for the secrets of all accounts in what was told, in telemetry and
// in the records.
func (h *house) secretFree(told []string) {
	h.Helper()
	dump := h.dump()
	texts := h.telemetry()
	texts["answers"] = strings.Join(told, "\n")
	for key, op := range dump.Operations {
		texts["answers"] += string(op.Response)
		raw, err := json.Marshal(op)
		if err != nil {
			h.Fatal(err)
		}
		texts["record "+string(key.ID)] = string(raw)
	}
	raw, err := json.Marshal([]any{dump.Payments, dump.Events, dump.Attention})
	if err != nil {
		h.Fatal(err)
	}
	texts["payments and events"] = string(raw)
	for _, r := range h.remotes() {
		secrets := r.secrets()
		if slices.Contains(secrets, "") {
			h.Errorf("account %s has no secret to look for", r.account)
		}
		for where, text := range texts {
			for _, secret := range secrets {
				if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
					h.Errorf("%s show a secret of %s: …%s…", where, r.account, text[max(0, i-100):min(len(text), i+100)])
				}
			}
		}
	}
}
