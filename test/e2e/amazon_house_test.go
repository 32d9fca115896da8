package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/test/simulators/account"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// amazonTopics is what the ARN of every account's topic begins with.
const amazonTopics = "arn:aws:sns:eu-west-1:291180941288:PLANTEDWEBHOOK-"

// amazonAccount is one merchant account at Amazon Pay. It tells nothing by itself: see
// house.notifies.
type amazonAccount struct {
	remote

	*amazonsim.Simulator

	sns  *amazonpaytest.SNS
	told int // of what there was to tell
}

func newAmazon(h *house, account payment.AccountName, c amazonsim.Config) *amazonAccount {
	h.Helper()
	c.PublicKeys = map[string]string{amazonpaytest.PublicKeyID: amazonpaytest.PublicKey()}
	s, err := amazonsim.New(c)
	if err != nil {
		h.Fatal(err)
	}
	a := &amazonAccount{
		remote:    newRemote(account, amazonpay.Name, amazonpaytest.Credential(amazonpaytest.PublicKeyID)),
		Simulator: s, sns: amazonpaytest.NewSNS(h, time.Now()),
	}
	a.merchant, a.region, a.fetch = amazonpaytest.MerchantID, "eu", a.sns.Fetch
	a.sns.Topic = string(a.webhookSecret())
	h.serves(a.remote, s)
	return a
}

// atAmazon runs a test in a house whose only account, amazon, is at Amazon Pay.
func atAmazon(t *testing.T, c amazonsim.Config, body func(*house, *amazonAccount)) {
	t.Helper()
	inHouse(t, setting{accounts: []payment.AccountName{"amazon"}, amazon: &c}, func(h *house) { body(h, h.amazons[0]) })
}

// amazon is an account of Amazon Pay's; nil if it is none.
func (h *house) amazon(account payment.AccountName) *amazonAccount { return at(h.amazons, account) }

// buys is a request of ten euro on a charge permission, at the account amazon. Its
// idempotency key is to be planted: see planted.
func buys(permission string, change ...func(*acquitv1.AuthorizeRequest)) *acquitv1.AuthorizeRequest {
	r := request(permission, "amazon")
	for _, f := range change {
		f(r)
	}
	return r
}

// writes are the requests that can have an effect, under a key; all of them under "".
func (a *amazonAccount) writes(key payment.ProviderKey) []account.Request {
	return slices.DeleteFunc(a.Requests(), func(r account.Request) bool {
		return r.Method == http.MethodGet || (key != "" && r.Key != string(key))
	})
}

// reads are the look-ups.
func (a *amazonAccount) reads() int { return len(a.Requests()) - len(a.writes("")) }

// notifies delivers whatever there is to tell, once and in its order, and checks that
// it is taken in.
func (h *house) notifies(a *amazonAccount) {
	h.Helper()
	all := a.Notifications()
	for ; a.told < len(all); a.told++ {
		n := all[a.told]
		if status := h.notice(a, a.message(n.ObjectType, n.ObjectID), nil); status != http.StatusOK {
			h.Errorf("a notification of %s %s is answered with %d", n.ObjectType, n.ObjectID, status)
		}
	}
}

// message is one about an object, under an id of its own.
func (a *amazonAccount) message(kind, object string) amazonpaytest.Message {
	return amazonpaytest.Message{
		ID: fmt.Sprintf("message-%s-%d", object, a.told), Text: amazonpaytest.Notification(kind, object), Version: "1", Sent: time.Now(),
	}
}

// notice delivers a message to its account, altered after it was signed.
func (h *house) notice(a *amazonAccount, m amazonpaytest.Message, change func(amazonpaytest.Object)) (status int) {
	h.Helper()
	return h.carries(a.account, a.sns.DeliverMessage(h, m, change))
}

// carries brings a delivery to an account.
func (h *house) carries(account payment.AccountName, d providers.Delivery) (status int) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), http.MethodPost, webhookURL(account), bytes.NewReader(d.Body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header = d.Header
	resp, err := h.courier().Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// objectOf is Amazon's id of what a call made, last of all.
func (h *house) objectOf(a *amazonAccount) string {
	h.Helper()
	all := a.Effects()
	if len(all) == 0 {
		h.Fatal("nothing was moved")
	}
	return all[len(all)-1].Object
}
