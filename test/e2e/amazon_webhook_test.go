package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// Goal: what SNS did not sign for this account's topic changes nothing and has nothing
// fetched or looked up; each kind of it has its own answer and its own count. Method:
// deliveries that would have a pending authorization looked up if one of them were
// believed; then the same, genuine, and again.
func TestNotificationsThatAreRefusedAtAmazonPay(t *testing.T) {
	t.Parallel()
	two := setting{accounts: []payment.AccountName{"amazon", "other"}, amazon: &amazonsim.Config{}}
	inHouse(t, two, func(h *house) {
		a, other := h.amazon("amazon"), h.amazon("other")
		p := h.sweeps("one")
		id := p.authorize(h.Context(), planted("a"), buys("S01-PENDING")).answer().GetPayment().GetPaymentId()
		object := string(h.operation(payment.IdempotencyKey(planted("a"))).Current().ProviderReference)
		genuine := a.message("CHARGE", object)
		before, reads := h.dump(), a.reads()
		set := func(field, value string) func(amazonpaytest.Object) {
			return func(e amazonpaytest.Object) { e[field] = value }
		}
		old := genuine
		old.Sent = time.Now().Add(-20 * 24 * time.Hour)
		for name, c := range map[string]struct {
			message amazonpaytest.Message
			change  func(amazonpaytest.Object)
			status  int
			result  string
			fetches int
		}{
			"a certificate from a foreign host":  {genuine, set("SigningCertURL", "https://sns.eu-west-1.amazonaws.com.example/SimpleNotificationService-00.pem"), 401, "forged", 0},
			"a certificate over http":            {genuine, set("SigningCertURL", strings.Replace(amazonpaytest.CertificateURL("00"), "https", "http", 1)), 401, "forged", 0},
			"a certificate from inside":          {genuine, set("SigningCertURL", "https://169.254.169.254/SimpleNotificationService-00.pem"), 401, "forged", 0},
			"a certificate of another region":    {genuine, set("SigningCertURL", strings.Replace(amazonpaytest.CertificateURL("00"), "eu-west-1", "us-east-1", 1)), 401, "forged", 0},
			"a certificate of another name":      {genuine, set("SigningCertURL", amazonpaytest.CertificateURL("0e")), 401, "forged", 1},
			"another topic":                      {genuine, set("TopicArn", string(other.webhookSecret())), 401, "forged", 0},
			"another object":                     {genuine, set("Message", amazonpaytest.Notification("CHARGE", "S01-OTHER")), 401, "forged", 1},
			"another id":                         {genuine, set("MessageId", "message-2"), 401, "forged", 1},
			"a subscription to be confirmed":     {genuine, set("Type", "SubscriptionConfirmation"), 401, "forged", 0},
			"too old":                            {old, nil, 400, "stale", 1},
			"a permission, which nobody reads":   {a.message("CHARGE_PERMISSION", "S01-PENDING"), nil, 200, "unread", 1},
			"no object":                          {amazonpaytest.Message{ID: "m", Text: "{}", Version: "2", Sent: time.Now()}, nil, 400, "malformed", 1},
			"an object that nobody can look for": {a.message("CHARGE", "a b"), nil, 400, "malformed", 1},
		} {
			counted, fetched := h.results()[c.result], len(a.sns.Fetched())
			if status := h.notice(a, c.message, c.change); status != c.status || h.results()[c.result] != counted+1 {
				t.Errorf("%s: answered %d, counted %v", name, status, h.results())
			}
			if n := len(a.sns.Fetched()) - fetched; n != c.fetches {
				t.Errorf("%s: fetched %d times", name, n)
			}
		}
		if status := h.carries(other.account, a.sns.DeliverMessage(t, genuine, nil)); status != http.StatusUnauthorized {
			t.Errorf("to another account: answered %d", status)
		}
		if after := h.dump(); after.Writes != before.Writes || len(after.Events) > 0 || a.reads() != reads {
			t.Errorf("%d writes, %d look-ups, events %+v", after.Writes-before.Writes, a.reads()-reads, after.Events)
		}
		if err := a.Decide(object, ""); err != nil {
			t.Fatal(err)
		}
		for range 3 { // SNS brings it again with its first signature
			if status := h.notice(a, genuine, nil); status != http.StatusOK {
				t.Errorf("genuine: answered %d", status)
			}
		}
		time.Sleep(6 * time.Second)
		p.shows(id, seen{"SUCCEEDED", "amazonpay.query.authorized", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
		if got := h.results(); got["due"] != 1 || got["duplicate"] != 2 || a.reads() != reads+1 {
			t.Errorf("counted %v, looked up %d times", got, a.reads()-reads)
		}
	})
}

// Goal: a chargeback, and what is none of ours at the same merchant, are kept for a
// person once, counted and acknowledged; they change no payment. Method: both, three
// times each, beside a captured payment.
func TestNotificationsForPeopleAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
		p := h.sweeps("one")
		p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567", automatic))
		payments := h.dump().Payments
		for range 3 {
			for _, m := range []amazonpaytest.Message{a.message("CHARGEBACK", "S01-1234567-1234567-B000001"), a.message("REFUND", "S01-9999999-9999999-R000001")} {
				if status := h.notice(a, m, nil); status != http.StatusOK {
					t.Errorf("answered %d", status)
				}
			}
		}
		want := map[string]int64{"accepted": 6, "orphan": 2, "duplicate": 4}
		if diff := gocmp.Diff(want, h.results()); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
		if got := h.counted("acquit.attention", "payment.attention"); got[string(payment.AttentionOrphan)] != 2 {
			t.Errorf("people were called about %v", got)
		}
		var about []string
		for _, f := range h.dump().Attention {
			if f.Object == "S01-1234567-1234567-B000001" {
				about = append(about, f.Summary, string(f.Event.Parent))
			}
		}
		if len(about) != 2 || !strings.Contains(about[0], "CHARGEBACK") || about[1] != amazonpaytest.Permission {
			t.Errorf("of the chargeback people are told %q", about)
		}
		if diff := gocmp.Diff(payments, h.dump().Payments); diff != "" {
			t.Errorf("the payment changed:\n%s", diff)
		}
	})
}

// Goal: a notification that is faster than the answer to its request settles nothing and
// is not lost: once the object's id is on record it has been heard. Method: a refund that
// is decided and told before its own answer arrives.
func TestANotificationBeforeItsAnswerAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
		p := h.sweeps("one")
		id := p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567", automatic)).answer().GetPayment().GetPaymentId()
		a.Next(amazonsim.FaultHangAfter)
		done := make(chan result, 1)
		go func() { done <- p.order(h.Context(), planted("r"), "refund", id, 0) }()
		time.Sleep(time.Second)
		if err := a.SettleRefund(h.objectOf(a), ""); err != nil {
			t.Fatal(err)
		}
		h.notifies(a)
		if got := h.results(); got["orphan"] != 1 {
			t.Errorf("counted %v", got)
		}
		if got := (<-done).code().String(); got != "OK" {
			t.Errorf("answered %s", got)
		}
		time.Sleep(time.Minute)
		h.orderStands(p, id, "SUCCEEDED", sums{"REFUNDED", 1000, 1000, 1000, 0, 0})
		if err := p.matchesOrphans(); err != nil || len(h.dump().Attention) != 0 {
			t.Errorf("%v; to look at: %+v", err, h.dump().Attention)
		}
		h.moved(a, effect("charge", 1000), effect("refund", 1000))
	})
}

// matchesOrphans has a process go through the orphans, as the server does.
func (p *process) matchesOrphans() error {
	_, err := p.flow.MatchOrphans(p.h.Context(), "")
	return err
}
