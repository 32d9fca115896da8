package stripe_test

import (
	"cmp"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
	simulator "github.com/acquitpay/acquit/test/simulators/stripe"
)

// Goal: each card of Stripe's ends in its row, has the effect that the row
// claims, and brings the same under its key. Method: two sends of each, over the
// simulator through the real guard.
//
// Shows R54 and R58.
func TestEveryCard(t *testing.T) {
	t.Parallel()
	hold := []simulator.Effect{effect(simulator.KindHold, 1000)}
	rows := map[string]struct {
		row     string
		effects []simulator.Effect
	}{
		"pm_card_visa":                                     {"authorize.requires_capture", hold},
		"pm_card_mastercard":                               {"authorize.requires_capture", hold},
		"pm_card_pendingRefund":                            {"authorize.requires_capture", hold},
		"pm_card_refundFail":                               {"authorize.requires_capture", hold},
		"pm_card_visa_chargeDeclined":                      {"authorize.declined_generic_decline", nil},
		"pm_card_chargeDeclined":                           {"authorize.declined_generic_decline", nil},
		"pm_card_visa_chargeDeclinedInsufficientFunds":     {"authorize.declined_insufficient_funds", nil},
		"pm_card_visa_chargeDeclinedLostCard":              {"authorize.declined_lost_card", nil},
		"pm_card_visa_chargeDeclinedStolenCard":            {"authorize.declined_stolen_card", nil},
		"pm_card_visa_chargeDeclinedVelocityLimitExceeded": {"authorize.declined_card_velocity_exceeded", nil},
		"pm_card_visa_chargeDeclinedFraudulent":            {"authorize.declined_fraudulent", nil},
		"pm_card_visa_chargeDeclinedUnlisted":              {"authorize.declined", nil},
		"pm_card_visa_chargeDeclinedAdvice":                {"authorize.advice_do_not_try_again", nil},
		"pm_card_chargeDeclinedExpiredCard":                {"authorize.expired_card", nil},
		"pm_card_chargeDeclinedIncorrectCvc":               {"authorize.incorrect_cvc", nil},
		"pm_card_chargeDeclinedProcessingError":            {"authorize.processing_error", nil},
		"pm_card_threeDSecure2Required":                    {"authorize.requires_action", nil},
		"pm_card_threeDSecureRequiredChargeDeclined":       {"authorize.requires_action", nil},
		"pm_processing":                                    {"authorize.processing", nil},
		"pm_card_of_somebody_else":                         {"authorize.resource_missing", nil},
	}
	for card := range simulator.Cards() {
		if _, listed := rows[card]; !listed && strings.HasPrefix(card, "pm_") {
			t.Errorf("card %s has no expectation", card)
		}
	}
	for card, want := range rows {
		t.Run(card, func(t *testing.T) {
			t.Parallel()
			r, s := newRig(t, simulator.Config{}), pay(card, payment.CaptureManual)
			first, again := r.Send(s, "stripe."+want.row), r.Send(s, "stripe."+want.row)
			r.effects(want.effects...)
			if first.Reference != again.Reference || first.Reference == "" != (want.row == "authorize.resource_missing") {
				t.Errorf("references %q and %q", first.Reference, again.Reference)
			}
		})
	}
}

// Goal: whatever goes wrong with an authorization, no verdict claims more than is
// in the effect log, the same key never has a second effect, and a look-up by our
// reference tells what a stored failure hides. Method: each fault before the first
// send; then the same send, then the look-up.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	const ok, failed, held, none = "stripe.authorize.requires_capture", "stripe.any.server_error", "stripe.query.requires_capture", "stripe.query.not_found"
	for fault, c := range map[simulator.Fault]struct {
		rows  [2]string
		query string
		holds int
		hint  [2]payment.Hint
	}{
		simulator.FaultNone:         {[2]string{ok, ok}, held, 1, [2]payment.Hint{}},
		simulator.Fault500After:     {[2]string{failed, failed}, held, 1, [2]payment.Hint{"", payment.HintStop}},
		simulator.Fault500Before:    {[2]string{failed, failed}, none, 0, [2]payment.Hint{"", payment.HintStop}},
		simulator.FaultDependency:   {[2]string{"stripe.any.dependency_failed", "stripe.any.dependency_failed"}, none, 0, [2]payment.Hint{"", payment.HintStop}},
		simulator.FaultGateway:      {[2]string{failed, ok}, held, 1, [2]payment.Hint{}},
		simulator.FaultUnavailable:  {[2]string{failed, ok}, held, 1, [2]payment.Hint{payment.HintRetry}},
		simulator.FaultDropBefore:   {[2]string{"any.transport.broken", ok}, held, 1, [2]payment.Hint{}},
		simulator.FaultDropAfter:    {[2]string{"any.transport.broken", ok}, held, 1, [2]payment.Hint{}},
		simulator.FaultHangBefore:   {[2]string{"any.transport.timeout", ok}, held, 1, [2]payment.Hint{}},
		simulator.FaultHangAfter:    {[2]string{"any.transport.timeout", ok}, held, 1, [2]payment.Hint{}},
		simulator.FaultRateLimit:    {[2]string{"stripe.any.rate_limit", ok}, held, 1, [2]payment.Hint{payment.HintRetry}},
		simulator.FaultLockTimeout:  {[2]string{"stripe.any.lock_timeout", ok}, held, 1, [2]payment.Hint{payment.HintRetry}},
		simulator.FaultKeyInUse:     {[2]string{"stripe.any.key_in_use", ok}, held, 1, [2]payment.Hint{}},
		simulator.FaultUnauthorized: {[2]string{"stripe.any.unauthorized", ok}, held, 1, [2]payment.Hint{}},
	} {
		t.Run("fault "+string(fault), func(t *testing.T) {
			t.Parallel()
			r, s := newRig(t, simulator.Config{}), pay("pm_card_visa", payment.CaptureManual)
			r.simulator.Next(fault)
			patience := 30 * time.Second
			if strings.HasPrefix(string(fault), "hang") {
				patience = 2 * time.Second // the request has to arrive within it
			}
			for i, row := range c.rows {
				if a := r.SendWithin(s, row, patience); a.Hint != c.hint[i] {
					t.Errorf("send %d: hint %q, want %q", i+1, a.Hint, c.hint[i])
				}
				patience = 30 * time.Second
			}
			r.Ask(s, mapping.Query, c.query)
			if n := len(r.simulator.Effects(simulator.KindHold)); n != c.holds {
				t.Errorf("%d holds, want %d", n, c.holds)
			}
		})
	}
}

// Goal: money moves once and as far as was asked. Method: the life of payments,
// each request twice, against the effect log.
func TestLives(t *testing.T) {
	t.Parallel()
	twice := func(r *rig, s payment.Send, row string) payment.Answer {
		r.Helper()
		r.Send(s, row)
		return r.Send(s, row)
	}
	t.Run("held, captured, refunded in parts", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simulator.Config{})
		a := twice(r, pay("pm_card_visa", payment.CaptureManual), "stripe.authorize.requires_capture")
		if a.ExpireTime.IsZero() || a.Captured {
			t.Errorf("held until %s, captured %t", a.ExpireTime, a.Captured)
		}
		capture := further(payment.MethodCapture, a.Reference, 1000)
		taken := twice(r, capture, "stripe.capture.succeeded")
		r.Ask(capture, mapping.Query, "stripe.query.capture_succeeded")
		if taken.Reference == a.Reference || !taken.Captured || taken.Amount.MinorUnits != 1000 {
			t.Errorf("captured %+v", taken)
		}
		one, two := further(payment.MethodRefund, a.Reference, 300), further(payment.MethodRefund, a.Reference, 700)
		two.Key, two.Reference = "22222222222222222222222222222222", "SECONDREFUND"
		first := twice(r, one, "stripe.refund.succeeded")
		second := twice(r, two, "stripe.refund.succeeded")
		for s, want := range map[*payment.Send]payment.Answer{&one: first, &two: second} {
			if found := r.Ask(*s, mapping.Query, "stripe.query.refund_succeeded"); found.Reference != want.Reference || found.Amount.MinorUnits != s.Amount.MinorUnits {
				t.Errorf("looked up %+v, want %s", found, want.Reference)
			}
		}
		three := further(payment.MethodRefund, a.Reference, 1)
		three.Key, three.Reference = "33333333333333333333333333333333", "THIRDREFUND"
		r.Send(three, "stripe.any.charge_already_refunded")
		r.Ask(three, mapping.Query, "stripe.query.not_found")
		r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindCapture, 1000), effect(simulator.KindRefund, 300), effect(simulator.KindRefund, 700))
	})
	t.Run("held, captured in part, the rest released", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simulator.Config{})
		a := r.Send(pay("pm_card_visa", payment.CaptureManual), "stripe.authorize.requires_capture")
		taken := twice(r, further(payment.MethodCapture, a.Reference, 400), "stripe.capture.succeeded")
		if taken.Amount.MinorUnits != 400 {
			t.Errorf("captured %v", taken.Amount)
		}
		again := further(payment.MethodCapture, a.Reference, 100)
		again.Key, again.Reference = "22222222222222222222222222222222", "SECONDCAPTURE"
		r.Send(again, "stripe.any.payment_intent_unexpected_state")
		r.Ask(again, mapping.Query, "stripe.query.captured_by_another")
		void := further(payment.MethodVoid, a.Reference, 600)
		r.Send(void, "stripe.any.payment_intent_unexpected_state")
		r.Ask(void, mapping.Query, "stripe.query.void_succeeded")
		r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindCapture, 400), effect(simulator.KindRelease, 600))
	})
	t.Run("held and voided", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simulator.Config{})
		a := r.Send(pay("pm_card_visa", payment.CaptureManual), "stripe.authorize.requires_capture")
		void := further(payment.MethodVoid, a.Reference, 1000)
		r.Ask(void, mapping.Query, "stripe.query.void_requires_capture")
		if released := twice(r, void, "stripe.void.canceled"); released.Reference == a.Reference {
			t.Errorf("the void goes by the authorization's id %s", a.Reference)
		}
		r.Ask(void, mapping.Query, "stripe.query.void_canceled")
		capture := further(payment.MethodCapture, a.Reference, 1000)
		r.Send(capture, "stripe.any.payment_intent_unexpected_state")
		r.Ask(capture, mapping.Query, "stripe.query.capture_canceled")
		r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindRelease, 1000))
	})
	t.Run("captured at once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simulator.Config{})
		if a := twice(r, pay("ctoken_visa", payment.CaptureAutomatic), "stripe.authorize.resource_missing"); a.Amount != nil {
			t.Errorf("a confirmation token is no stored id: %+v", a)
		}
		s := pay("", payment.CaptureAutomatic)
		s.Key = "44444444444444444444444444444444"
		s.Instruction.Tokens["main"] = payment.Token{ClientPayload: json.RawMessage(`{"confirmation_token":"ctoken_visa"}`)}
		if a := twice(r, s, "stripe.authorize.succeeded"); !a.Captured || a.Amount.MinorUnits != 1000 {
			t.Errorf("captured %+v", a)
		}
		r.effects(effect(simulator.KindCharge, 1000))
	})
	t.Run("refunds that are pending, and that fail later", func(t *testing.T) {
		t.Parallel()
		for card, rows := range map[string][3]string{
			"pm_card_pendingRefund": {"stripe.refund.pending", "stripe.query.refund_pending", "stripe.query.refund_failed_lost_or_stolen_card"},
			"pm_card_refundFail":    {"stripe.refund.succeeded", "stripe.query.refund_succeeded", "stripe.query.refund_failed_lost_or_stolen_card"},
		} {
			r := newRig(t, simulator.Config{})
			a := r.Send(pay(card, payment.CaptureAutomatic), "stripe.authorize.succeeded")
			s := further(payment.MethodRefund, a.Reference, 1000)
			s.ProviderReference = r.Send(s, rows[0]).Reference
			r.Ask(s, mapping.Query, rows[1])
			if err := r.simulator.SettleRefund(string(s.ProviderReference), "lost_or_stolen_card"); err != nil {
				t.Fatal(err)
			}
			r.Ask(s, mapping.Query, rows[2])
			r.effects(effect(simulator.KindCharge, 1000), effect(simulator.KindRefund, 1000), effect(simulator.KindRefundFailed, 1000))
		}
	})
}

// Goal: a lost answer of every other verb is found again under the same key and
// by a look-up, with one effect. Method: the answer lost after the effect.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method     payment.Method
		mode       payment.CaptureMode
		held       string
		kind       simulator.Kind
		done, seen string
	}{
		{payment.MethodCapture, payment.CaptureManual, "requires_capture", simulator.KindCapture, "stripe.capture.succeeded", "stripe.query.capture_succeeded"},
		{payment.MethodVoid, payment.CaptureManual, "requires_capture", simulator.KindRelease, "stripe.void.canceled", "stripe.query.void_canceled"},
		{payment.MethodRefund, payment.CaptureAutomatic, "succeeded", simulator.KindRefund, "stripe.refund.succeeded", "stripe.query.refund_succeeded"},
	} {
		for _, lost := range []struct {
			fault      simulator.Fault
			row, again string // again is "" where the same key brings the effect
		}{
			{simulator.FaultDropAfter, "any.transport.broken", ""},
			{simulator.FaultGateway, "stripe.any.server_error", ""},
			{simulator.Fault500After, "stripe.any.server_error", "stripe.any.server_error"}, // stored: only the look-up tells
		} {
			r := newRig(t, simulator.Config{})
			a := r.Send(pay("pm_card_visa", c.mode), "stripe.authorize."+c.held)
			s := further(c.method, a.Reference, 1000)
			r.simulator.Next(lost.fault)
			r.Send(s, lost.row)
			found := r.Ask(s, mapping.Query, c.seen)
			if again := r.Send(s, cmp.Or(lost.again, c.done)); lost.again == "" && again.Reference != found.Reference {
				t.Errorf("%s: %s by its key, %s by a look-up", c.method, again.Reference, found.Reference)
			}
			if n := len(r.simulator.Effects(c.kind)); n != 1 {
				t.Errorf("%s after %s: %d effects", c.method, lost.fault, n)
			}
		}
	}
}

// Goal: a key that is being worked on, or that was used for something else, says
// nothing about its effect. Method: a second copy while the first is executed, and
// the same key with another amount.
//
// Shows R57.
func TestKeyConflicts(t *testing.T) {
	t.Parallel()
	working, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r := newRig(t, simulator.Config{Executing: func(string) {
		once.Do(func() {
			close(working)
			<-finish
		})
	}})
	s := pay("pm_card_visa", payment.CaptureManual)
	var first sync.WaitGroup
	first.Go(func() { r.Send(s, "stripe.authorize.requires_capture") })
	<-working
	r.Send(s, "stripe.any.key_in_use")
	close(finish)
	first.Wait()
	r.Send(s, "stripe.authorize.requires_capture")
	s.Amount.MinorUnits = 999
	r.Send(s, "stripe.any.key_reused")
	r.effects(effect(simulator.KindHold, 1000))
}

// Goal: a search that has not caught up proves nothing, and nobody is told that a
// payment is not there. Method: the clock is moved past the lag.
func TestSearchLags(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	r := newRig(t, simulator.Config{Now: func() time.Time { return now }, SearchLag: time.Minute})
	s := pay("pm_card_visa", payment.CaptureManual)
	a := r.Send(s, "stripe.authorize.requires_capture")
	if late := r.Ask(s, mapping.Query, "stripe.query.not_found"); late.ObjectFound {
		t.Errorf("found %+v", late)
	}
	now = now.Add(time.Minute)
	if found := r.Ask(s, mapping.Query, "stripe.query.requires_capture"); !found.ObjectFound || found.OurEcho != s.Reference {
		t.Errorf("found %+v", found)
	}
	s.ProviderReference = a.Reference
	r.Ask(s, mapping.Query, "stripe.query.requires_capture")
	s.Reference = "ANOTHER" + s.Reference[7:]
	s.ProviderReference = ""
	r.Ask(s, mapping.Query, "stripe.query.not_found")
}

// Goal: what was built and signed is what Stripe sees. Method: the request that
// arrived, parameter by parameter.
func TestWhatStripeSees(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	s := stripetest.Send(payment.MethodAuthorize)
	s.Instruction.Tokens["main"] = payment.Token{StoredID: "pm_card_visa"}
	r.Send(s, "stripe.authorize.requires_capture")
	got := r.simulator.Requests()[0]
	for _, want := range []string{
		"amount=1000", "&currency=eur", "&confirm=true", "&capture_method=manual", "&payment_method=pm_card_visa", "&payment_method_types[0]=card",
		"&metadata[acquit_reference]=OURREFERENCE", "&metadata[acquit_merchant_reference]=order-7+%3C%26%3E", "&metadata[%C3%BC]=%E2%80%A8",
		"&return_url=https%3A%2F%2Fshop.example%2Freturn%3Fa%3Db%26c%3Dd", "&statement_descriptor_suffix=SHOP", "&customer=cus_1", "&off_session=true",
	} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("the body lacks %s: %s", want, got.Body)
		}
	}
	if got.Path != "/v1/payment_intents" || got.Key != string(s.Key) {
		t.Errorf("arrived at %s under key %s", got.Path, got.Key)
	}
}
