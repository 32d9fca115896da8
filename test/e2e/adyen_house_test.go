package e2e

import (
	"context"
	"slices"
	"testing"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/test/simulators/account"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// adyenCredential is the secret of every account of Adyen's.
const adyenCredential = "AQE_PLANTEDCREDENTIAL"

// adyenAccount is one merchant account at Adyen. What it tells goes to the house's
// newest process, behind each answer, unless a test steers it.
type adyenAccount struct {
	remote

	*adyensim.Simulator
}

func newAdyen(h *house, account payment.AccountName, c adyensim.Config) *adyenAccount {
	h.Helper()
	a := &adyenAccount{remote: newRemote(account, adyen.Name, adyenCredential)}
	a.merchant = "Acquit_" + string(account)
	c.MerchantAccount, c.WebhookSecret = a.merchant, string(a.webhookSecret())
	c.WebhookURL, c.Client = webhookURL(account), h.courier()
	a.Simulator = adyensim.New(c)
	h.Cleanup(a.Wait) // behind the serving, whose answers it waits for
	h.serves(a.remote, a.Simulator)
	return a
}

// atAdyen runs a test in a house whose only account, adyen, is at Adyen.
func atAdyen(t *testing.T, c adyensim.Config, body func(*house, *adyenAccount)) {
	t.Helper()
	inHouse(t, setting{accounts: []payment.AccountName{"adyen"}, adyen: &c}, func(h *house) { body(h, h.adyens[0]) })
}

// adyen is an account of Adyen's; nil if it is none.
func (h *house) adyen(account payment.AccountName) *adyenAccount { return at(h.adyens, account) }

// spends is a request of ten euro by a card that Adyen has stored, at the account
// adyen. Its idempotency key is to be planted: see planted.
func spends(card string) *acquitv1.AuthorizeRequest {
	r := request(card, "adyen")
	r.ReturnUrl, r.Customer = "https://shop.example/PLANTEDRETURN", &acquitv1.Customer{CustomerId: "PLANTEDCUSTOMER"}
	return r
}

// under are the requests that arrived under a key.
func (a *adyenAccount) under(key payment.ProviderKey) []account.Request {
	return slices.DeleteFunc(a.Requests(), func(r account.Request) bool { return r.Key != string(key) })
}

// silent has Adyen tell nothing until it is told to; see speaks.
func (a *adyenAccount) silent() { a.Steer(adyensim.Steering{Withhold: true}) }

// speaks has Adyen tell what happened, and checks that it was taken in.
func (h *house) speaks(a *adyenAccount) {
	h.Helper()
	if err := a.Release(h.Context()); err != nil {
		h.Error(err)
	}
}

// events are what happened, of a code.
func (a *adyenAccount) events(code string) []adyensim.Event {
	return slices.DeleteFunc(a.Events(), func(e adyensim.Event) bool { return e.Code != code })
}

// posts delivers events in one webhook to an account, and checks the answer.
func (h *house) posts(a *adyenAccount, to payment.AccountName, want int, events ...adyensim.Event) {
	h.Helper()
	status, err := a.Deliver(context.WithoutCancel(h.Context()), h.courier(), webhookURL(to), events...)
	if err != nil || status != want {
		h.Errorf("a webhook is answered with %d, want %d (%v)", status, want, err)
	}
}

// alerts are how often somebody was called, by the row of the mapping table.
func (h *house) alerts() map[string]int64 {
	h.Helper()
	return h.counted("acquit.attempt.alerts", "payment.mapping_row")
}
