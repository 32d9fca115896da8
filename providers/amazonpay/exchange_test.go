package amazonpay_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/registry"
	simulator "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// rig is an account of Amazon Pay, with the simulator.
type rig struct {
	*providertest.Account

	simulator *simulator.Simulator
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := simulator.New(simulator.Config{PublicKeys: map[string]string{amazonpaytest.PublicKeyID: amazonpaytest.PublicKey()}})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{providertest.Open(t, "amazonpay", s, registry.Account{Region: "eu", Credential: amazonpaytest.Credential(amazonpaytest.PublicKeyID)}), s}
}

// pay is an authorization on a charge permission.
func pay(permission string, mode payment.CaptureMode) payment.Send {
	s := amazonpaytest.Send(payment.MethodAuthorize)
	s.Instruction.Tokens["main"] = payment.Token{StoredID: permission}
	s.Instruction.CaptureMode = mode
	return s
}

// further is a send of another verb on a charge.
func further(m payment.Method, parent payment.ProviderReference, units int64) payment.Send {
	return providertest.Further(amazonpaytest.Send(m), parent, units)
}

// known is a send whose object's id is known.
func known(s payment.Send, id payment.ProviderReference) payment.Send {
	s.ProviderReference = id
	return s
}

// must ends the test if what happens at Amazon could not happen.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// effects expects the log to be of these kinds and amounts.
func (r *rig) effects(want ...simulator.Effect) {
	r.Helper()
	if diff := cmp.Diff(want, r.simulator.Sums()); diff != "" {
		r.Errorf("effects (-want +got):\n%s", diff)
	}
}

func effect(k simulator.Kind, amount int64) simulator.Effect {
	return simulator.Effect{Kind: k, Amount: amount}
}

// Goal: the whole way of a payment is understood, and each step's object is its
// own. Method: a hold that is captured in part, and a refund that settles.
func TestHoldCaptureRefund(t *testing.T) {
	r := newRig(t)
	hold := r.Send(pay(amazonpaytest.Permission, payment.CaptureManual), "amazonpay.authorize.authorized")
	if hold.Amount == nil || hold.Amount.MinorUnits != 1000 || hold.Captured || hold.OurEcho != "OURREFERENCE" || hold.ExpireTime.IsZero() || hold.RequestID == "" {
		t.Errorf("hold %+v", hold)
	}
	capture := further(payment.MethodCapture, hold.Reference, 400)
	r.Ask(capture, mapping.Query, "amazonpay.query.capture_authorized")
	taken := r.Send(capture, "amazonpay.capture.captured")
	if taken.Amount == nil || taken.Amount.MinorUnits != 400 || !taken.Captured || taken.Reference != hold.Reference {
		t.Errorf("capture %+v", taken)
	}
	r.Ask(capture, mapping.Query, "amazonpay.query.capture_captured")
	r.Ask(further(payment.MethodCapture, hold.Reference, 500), mapping.Query, "amazonpay.query.capture_another_amount")
	refund := further(payment.MethodRefund, hold.Reference, 400)
	back := r.Send(refund, "amazonpay.refund.refund_initiated")
	r.Ask(known(refund, back.Reference), mapping.Query, "amazonpay.query.refund_initiated")
	r.must(r.simulator.SettleRefund(string(back.Reference), ""))
	if a := r.Ask(known(refund, back.Reference), mapping.Query, "amazonpay.query.refunded"); a.Amount == nil || a.Amount.MinorUnits != 400 || !a.ObjectFound {
		t.Errorf("refund %+v", a)
	}
	r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindCapture, 400), effect(simulator.KindRelease, 600), effect(simulator.KindRefund, 400))
}

// Goal: what Amazon decides later is pending until then, and then what it was
// decided to be. Method: authorizations, a capture and a refund, both ways.
func TestDecidedLater(t *testing.T) {
	r := newRig(t)
	s := pay("S01-PENDING", payment.CaptureManual)
	id := r.Send(s, "amazonpay.authorize.authorization_initiated").Reference
	r.Ask(known(s, id), mapping.Query, "amazonpay.query.authorization_initiated")
	r.Ask(known(s, id), mapping.Fenced, "amazonpay.fenced.authorization_initiated")
	r.must(r.simulator.Decide(string(id), ""))
	r.Ask(known(s, id), mapping.Query, "amazonpay.query.authorized")
	s.Key = "ffffffffffffffffffffffffffffffff"
	id = r.Send(s, "amazonpay.authorize.authorization_initiated").Reference
	r.must(r.simulator.Decide(string(id), "HardDeclined"))
	r.Ask(known(s, id), mapping.Query, "amazonpay.query.declined_hard_declined")

	s = pay("S01-CAPTURE-LATER", payment.CaptureManual)
	s.Key = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	id = r.Send(s, "amazonpay.authorize.authorized").Reference
	capture := further(payment.MethodCapture, id, 1000)
	r.Send(capture, "amazonpay.capture.capture_initiated")
	r.Ask(capture, mapping.Query, "amazonpay.query.capture_capture_initiated")
	r.must(r.simulator.SettleCapture(string(id), "ProcessingFailure"))
	r.Ask(capture, mapping.Query, "amazonpay.query.capture_declined_processing_failure")
}

// Goal: an authorization that nobody waits for any more is canceled by its id, and
// settled by what the charge says after that alone. Method: a hold, its fence twice,
// and one that was taken at once.
func TestFence(t *testing.T) {
	r := newRig(t)
	s := pay(amazonpaytest.Permission, payment.CaptureManual)
	id := r.Send(s, "amazonpay.authorize.authorized").Reference
	fence := providertest.Fence(s, id)
	r.Ask(known(s, id), mapping.Fenced, "amazonpay.fenced.authorized")
	r.Send(fence, "amazonpay.fence.canceled")
	r.Send(fence, "amazonpay.any.invalid_charge_status")
	r.Ask(known(s, id), mapping.Fenced, "amazonpay.fenced.canceled")
	s = pay(amazonpaytest.Permission, payment.CaptureAutomatic)
	s.Key = "ffffffffffffffffffffffffffffffff"
	id = r.Send(s, "amazonpay.authorize.captured").Reference
	fence.ProviderReference = id
	r.Send(fence, "amazonpay.any.invalid_charge_status")
	r.Ask(known(s, id), mapping.Fenced, "amazonpay.fenced.captured")
	r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindRelease, 1000), effect(simulator.KindCharge, 1000))
}

// Goal: a void is told by the charge, however often it is sent. Method: a void whose
// answer is lost, sent again, and looked up; and one of what was captured.
func TestVoid(t *testing.T) {
	r := newRig(t)
	id := r.Send(pay(amazonpaytest.Permission, payment.CaptureManual), "amazonpay.authorize.authorized").Reference
	void := further(payment.MethodVoid, id, 1000)
	r.Ask(void, mapping.Query, "amazonpay.query.void_authorized")
	r.simulator.Next(simulator.FaultDropAfter)
	r.Send(void, "any.transport.broken")
	r.Send(void, "amazonpay.any.invalid_charge_status")
	if a := r.Ask(void, mapping.Query, "amazonpay.query.void_canceled"); a.Reference != id {
		t.Errorf("void %+v", a)
	}
	s := pay(amazonpaytest.Permission, payment.CaptureAutomatic)
	s.Key = "ffffffffffffffffffffffffffffffff"
	void.Parent = r.Send(s, "amazonpay.authorize.captured").Reference
	r.Send(void, "amazonpay.any.invalid_charge_status")
	r.Ask(void, mapping.Query, "amazonpay.query.void_captured")
	r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindRelease, 1000), effect(simulator.KindCharge, 1000))
}

// Goal: whatever goes wrong with a send, the same request under its key brings what
// became of it, with one effect. Method: each verb with each fault, then again.
//
// Shows R1, R8 and R12.
func TestOneEffectThroughFaults(t *testing.T) {
	for _, c := range []struct {
		fault simulator.Fault
		row   string
	}{
		{simulator.Fault500Before, "amazonpay.any.internal_server_error"},
		{simulator.Fault500After, "amazonpay.any.internal_server_error"},
		{simulator.FaultGateway, "amazonpay.any.bad_gateway"},
		{simulator.FaultGatewayTime, "amazonpay.any.gateway_timeout"},
		{simulator.FaultUnavailable, "amazonpay.any.service_unavailable"},
		{simulator.FaultThrottled503, "amazonpay.any.request_throttled"},
		{simulator.FaultThrottled, "amazonpay.any.too_many_requests"},
		{simulator.FaultTimeout, "amazonpay.any.request_timeout"},
		{simulator.FaultInUse, "amazonpay.any.too_early"},
		{simulator.FaultDropBefore, "any.transport.broken"},
		{simulator.FaultDropAfter, "any.transport.broken"},
	} {
		r := newRig(t)
		hold := pay(amazonpaytest.Permission, payment.CaptureManual)
		r.simulator.Next(c.fault)
		r.Send(hold, c.row)
		id := r.Send(hold, "amazonpay.authorize.authorized").Reference
		capture := further(payment.MethodCapture, id, 1000)
		r.simulator.Next(c.fault)
		r.Send(capture, c.row)
		r.Send(capture, "amazonpay.capture.captured")
		refund := further(payment.MethodRefund, id, 1000)
		r.simulator.Next(c.fault)
		r.Send(refund, c.row)
		r.Send(refund, "amazonpay.refund.refund_initiated")
		r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindCapture, 1000), effect(simulator.KindRefund, 1000))
	}
}

// Goal: a decline is told by its reason, and given again under its key. Method: each
// reason, as a charge and as an error, sent twice.
func TestDeclines(t *testing.T) {
	for permission, row := range map[string]string{
		"S01-SOFTDECLINED":            "amazonpay.authorize.declined_soft_declined",
		"S01-PROCESSINGFAILURE":       "amazonpay.authorize.declined_processing_failure",
		"S01-MFANOTCOMPLETED":         "amazonpay.authorize.declined_mfa_not_completed",
		"S01-ERROR-HARDDECLINED":      "amazonpay.authorize.hard_declined",
		"S01-ERROR-AMAZONREJECTED":    "amazonpay.authorize.amazon_rejected",
		"S01-ERROR-PROCESSINGFAILURE": "amazonpay.any.processing_failure", // documented as a 500 alone
		"S01-CLOSED":                  "amazonpay.authorize.invalid_charge_permission_status",
		"S01-UNKNOWN":                 "amazonpay.authorize.resource_not_found",
	} {
		r := newRig(t)
		for range 2 {
			r.Send(pay(permission, payment.CaptureManual), row)
		}
		r.effects()
	}
}

// Goal: a key that has another request's effect is never taken for ours.
func TestKeyOfAnother(t *testing.T) {
	r := newRig(t)
	s := pay(amazonpaytest.Permission, payment.CaptureManual)
	r.simulator.TakeKey(string(s.Key))
	r.Send(s, "amazonpay.any.duplicate_idempotency_key")
	r.effects()
}
