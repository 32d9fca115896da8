package e2e

import (
	"slices"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
)

// slowly is an execution at a provider that takes longer, the first time, than acquit
// waits for an answer.
func slowly() func(key string) {
	slow := true
	return func(string) {
		if slow {
			slow = false
			time.Sleep(24 * time.Second)
		}
	}
}

// copiesMeet makes a call whose first execution is slow, and checks that a copy of its
// request was told by a status that the key is in use, and that there is one hold.
func (h *house) copiesMeet(a logged, r *acquitv1.AuthorizeRequest, status int) {
	h.Helper()
	p := h.sweeps("one")
	if got := p.insist(h.Context(), planted("a"), r).state(); got != "SUCCEEDED" {
		h.Errorf("got %s", got)
	}
	if !slices.ContainsFunc(a.Requests(), func(r account.Request) bool { return r.Status == status }) {
		h.Errorf("no copy met another: %+v", a.Requests())
	}
	h.moved(a, effect("hold", 1000))
}

// findsKeyUsed makes a call whose provider key was used for something else before, and
// whose process dies; who looks after it comes when the resend window is closed. It
// checks that the operation is unknown by a row, that people were told, and that nothing
// was sent again.
func (h *house) findsKeyUsed(a logged, at payment.AccountName, r *acquitv1.AuthorizeRequest, row string) {
	h.Helper()
	key, _ := h.keys.ProviderKey("default", payment.MethodAuthorize, payment.IdempotencyKey(planted("a")), at, payment.StepMain)
	a.TakeKey(string(key))
	id := h.one().authorize(h.Context(), planted("a"), r).answer().GetPayment().GetPaymentId()
	h.store.Crash("one") // or it would have its share of what is due
	time.Sleep(8 * 24 * time.Hour)
	p := h.sweeps("two")
	time.Sleep(time.Hour)
	p.shows(id, seen{"UNKNOWN", row, "unknown", 1}, sums{Status: "UNKNOWN"})
	h.toldStuck()
	if n := len(a.Requests()); n != 1 || h.alerts()[row] != 1 {
		h.Errorf("%d requests, alerts %v", n, h.alerts())
	}
	h.moved(a)
}
