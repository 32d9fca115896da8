package ledger

import "github.com/acquitpay/acquit/orchestrator/payment"

// The fields stand in the order of the types in package payment, under the names of
// their tags. One that is added there and not here fails TestEncodesAsJSON.

func (w *writer) operation(op payment.Operation) {
	w.key("key", op.Key)
	w.text("method", string(op.Method))
	w.text("reference", string(op.Reference))
	w.begin("fingerprint")
	w.number("version", int64(op.Fingerprint.Version))
	w.text("sum", op.Fingerprint.Sum)
	w.end()
	w.text("payment_id", string(op.PaymentID))
	w.textIf("parent", string(op.Parent))

	w.text("state", string(op.State))
	w.number("epoch", op.Epoch)
	w.textIf("owner", string(op.Owner))
	w.text("nonce", op.Nonce)
	w.timeIf("owner_until", op.OwnerUntil)
	w.time("created", op.Created)
	w.time("deadline", op.Deadline)
	w.time("resolve_by", op.ResolveBy)
	w.timeIf("next_check", op.NextCheck)
	w.timeIf("completed", op.Completed)
	w.trueIf("halted", op.Halted)
	w.textIf("park_reason", op.ParkReason)

	w.money("amount", op.Amount)
	w.numberIf("held", op.Held)
	w.trueIf("last", op.Last)
	w.bytesIf("sealed", op.Sealed)
	list(w, "attempts", op.Attempts, w.attempt)
	otherIf(w, "decline", op.Decline)
	otherIf(w, "failure", op.Failure)
	w.bytesIf("response", op.Response)
	w.textIf("child", string(op.Child))
}

func (w *writer) attempt(a payment.Attempt) {
	w.begin("")
	w.number("ordinal", int64(a.Ordinal))
	w.text("account", string(a.Account))
	w.begin("target")
	w.text("driver", a.Target.Driver)
	w.text("environment", string(a.Target.Environment))
	w.text("host", a.Target.Host)
	w.textIf("region", a.Target.Region)
	w.textIf("merchant_id", a.Target.MerchantID)
	w.end()
	w.text("credential", a.Credential)
	w.text("reference", string(a.Reference))
	w.textIf("parent", string(a.Parent))
	w.textIf("parent_reference", string(a.ParentReference))
	w.textIf("provider_reference", string(a.ProviderReference))
	w.number("epoch", a.Epoch)
	w.time("created", a.Created)
	w.time("deadline", a.Deadline)
	w.time("resend_not_after", a.ResendNotAfter)
	list(w, "steps", a.Steps, w.step)
	w.number("sends", int64(a.Sends))
	w.trueIf("uncertain", a.Uncertain)
	w.trueIf("stopped", a.Stopped)
	w.trueIf("released", a.Released)
	w.textIf("evidence", string(a.Evidence))
	w.textIf("mapping_row", a.MappingRow)
	w.numberIf("http_status", int64(a.HTTPStatus))
	w.textIf("code", a.Code)
	w.textIf("request_id", a.RequestID)
	w.textIf("trace", a.Trace)
	w.timeIf("closed", a.Closed)
	otherIf(w, "next_action", a.NextAction)
	w.end()
}

func (w *writer) step(s payment.Step) {
	w.begin("")
	w.text("name", string(s.Name))
	w.text("key", string(s.Key))
	w.number("key_version", int64(s.KeyVersion))
	w.text("request_hash", s.RequestHash)
	w.textIf("object", string(s.Object))
	w.textIf("reference", string(s.Reference))
	w.trueIf("refused", s.Refused)
	w.end()
}

func (w *writer) payment(p payment.Payment) {
	w.text("id", string(p.ID))
	w.text("tenant", string(p.Tenant))
	w.textIf("merchant_reference", string(p.MerchantReference))
	w.text("status", string(p.Status))
	w.number("version", p.Version)
	w.text("capture_mode", string(p.CaptureMode))
	w.money("amount", p.Amount)

	w.number("authorized", p.Authorized)
	w.number("captured", p.Captured)
	w.number("refunded", p.Refunded)
	w.number("released", p.Released)
	w.number("capture_reserved", p.CaptureReserved)
	w.number("refund_reserved", p.RefundReserved)
	w.numberIf("auto_reserved", p.AutoReserved)
	w.textIf("auto_capture", string(p.AutoCapture))
	w.number("excess_captured", p.ExcessCaptured)
	w.number("excess_refunded", p.ExcessRefunded)
	if len(p.Outside) > 0 {
		otherIf(w, "outside", &p.Outside)
	}
	w.textIf("voiding", string(p.Voiding))

	w.textIf("account", string(p.Account))
	w.textIf("environment", string(p.Environment))
	w.textIf("provider_reference", string(p.ProviderReference))
	otherIf(w, "next_action", p.NextAction)
	w.timeIf("expire_time", p.ExpireTime)
	w.time("created", p.Created)
	w.time("updated", p.Updated)
	list(w, "operations", p.Operations, func(id payment.OperationID) { w.text("", string(id)) })
	w.trueIf("unique", p.Unique)
}

func (w *writer) money(name string, m payment.Money) {
	w.begin(name)
	w.number("minor_units", m.MinorUnits)
	w.text("currency_code", m.CurrencyCode)
	w.end()
}

func (w *writer) key(name string, k payment.OperationKey) {
	w.begin(name)
	w.reference(k)
	w.end()
}

func (w *writer) reference(k payment.OperationKey) {
	w.text("tenant", string(k.Tenant))
	w.text("id", string(k.ID))
}

func (w *writer) marker(m markerRecord) {
	w.text("boot", string(m.Boot))
	w.number("epoch", m.Epoch)
}

func (w *writer) open(o openRecord) {
	w.key("key", o.Key)
	w.time("due", o.Due)
}
