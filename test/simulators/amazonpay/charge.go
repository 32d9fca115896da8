package amazonpay

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Permission is what the buyer and the bank of a charge permission do.
type Permission struct {
	Decline       string // why a charge is declined; "" if it is not
	Error         bool   // a decline is an error, not a charge
	Pending       bool   // an authorization is decided later
	CaptureLater  bool   // a capture is settled later
	CaptureFails  string // why a capture is declined; "" if it is not
	NotChargeable bool
}

// Permissions are the charge permissions that the simulator knows.
func Permissions() map[string]Permission {
	p := map[string]Permission{
		"S01-1234567-1234567":        {},
		"S01-PENDING":                {Pending: true},
		"S01-CAPTURE-LATER":          {CaptureLater: true},
		"S01-CAPTURE-AMAZONREJECTED": {CaptureFails: "AmazonRejected"},
		"S01-CLOSED":                 {NotChargeable: true},
	}
	for _, reason := range []string{"SoftDeclined", "HardDeclined", "AmazonRejected", "ProcessingFailure", "TransactionTimedOut", "MFANotCompleted", "PaymentMethodNotAllowed"} {
		p["S01-"+strings.ToUpper(reason)] = Permission{Decline: reason}
		p["S01-ERROR-"+strings.ToUpper(reason)] = Permission{Decline: reason, Error: true}
	}
	return p
}

// permissionOf is a charge permission. That of a fault is good.
func permissionOf(id string) (Permission, bool) {
	if strings.HasPrefix(id, faultPermission) {
		return Permission{}, true
	}
	p, there := Permissions()[id]
	return p, there
}

// charge is a charge.
type charge struct {
	ID, Permission, Currency, State, Reason string
	Amount, Captured                        int64
	Created                                 time.Time
	Metadata                                metadata
	SoftDescriptor                          string
	Key                                     string // of the request that made it
	CaptureKey                              string // of the request that began to capture it
	Does                                    Permission
}

func (s *Simulator) create(c call) answer {
	amount, ok := c.body.ChargeAmount.units()
	switch {
	case c.unread:
		return refusal(http.StatusBadRequest, "InvalidRequestFormat", "The body is not JSON of known fields.")
	case !ok:
		return invalid("chargeAmount")
	case c.body.CaptureNow && c.body.CanHandlePendingAuthorization:
		return refusal(http.StatusBadRequest, "InvalidParameterCombination", "captureNow and canHandlePendingAuthorization exclude each other.")
	case !c.body.CaptureNow && c.body.SoftDescriptor != "", len(c.body.SoftDescriptor) > 16:
		return invalid("softDescriptor")
	}
	does, there := permissionOf(c.body.ChargePermissionID)
	switch {
	case !there:
		return missing(c.body.ChargePermissionID)
	case does.NotChargeable:
		return refusal(http.StatusUnprocessableEntity, "InvalidChargePermissionStatus", "The charge permission is closed.")
	case does.Decline != "" && does.Error:
		a := refusal(http.StatusUnprocessableEntity, does.Decline, "The charge was declined.")
		a.unexecuted = false
		return a
	}
	o := &charge{
		ID: s.next(c.body.ChargePermissionID, "C"), Permission: c.body.ChargePermissionID, Currency: c.body.ChargeAmount.CurrencyCode, Amount: amount,
		Created: s.cfg.Now(), Metadata: c.body.MerchantMetadata, SoftDescriptor: c.body.SoftDescriptor, Key: c.key, Does: does,
	}
	s.charges = append(s.charges, o)
	switch {
	case does.Pending && c.body.CanHandlePendingAuthorization:
		o.State = "AuthorizationInitiated"
	case does.Decline != "":
		o.State, o.Reason = "Declined", does.Decline
	case c.body.CaptureNow:
		o.State, o.Captured = "Captured", amount
		s.did(KindCharge, o, o.ID, amount, c.key)
	default:
		o.State = "Authorized"
		s.did(KindHold, o, o.ID, amount, c.key)
	}
	return answer{status: http.StatusCreated, body: o.show()}
}

func (s *Simulator) capture(c call, id string) answer {
	o := s.find(id)
	if o == nil {
		return missing(id)
	}
	amount, ok := c.body.CaptureAmount.units()
	switch {
	case c.unread:
		return refusal(http.StatusBadRequest, "InvalidRequestFormat", "The body is not JSON of known fields.")
	case !ok || len(c.body.SoftDescriptor) > 16:
		return invalid("captureAmount")
	case o.State != "Authorized":
		return s.wrongState(o)
	case c.body.CaptureAmount.CurrencyCode != o.Currency:
		return refusal(http.StatusBadRequest, "CurrencyMismatch", "The currency is another.")
	case amount > o.Amount:
		return refusal(http.StatusBadRequest, "TransactionAmountExceeded", "More than is authorized.")
	}
	o.SoftDescriptor, o.Captured, o.CaptureKey = c.body.SoftDescriptor, amount, c.key
	switch {
	case o.Does.CaptureLater:
		o.State = "CaptureInitiated"
	case o.Does.CaptureFails != "":
		s.captureFails(o, o.Does.CaptureFails)
	default:
		s.captureSucceeds(o)
	}
	return answer{status: http.StatusOK, body: o.show()}
}

func (s *Simulator) captureSucceeds(o *charge) {
	o.State = "Captured"
	s.did(KindCapture, o, o.ID, o.Captured, o.CaptureKey)
	if rest := o.Amount - o.Captured; rest > 0 {
		s.did(KindRelease, o, o.ID, rest, o.CaptureKey)
	}
	s.changed("CHARGE", o.ID)
}

func (s *Simulator) captureFails(o *charge, reason string) {
	o.State, o.Reason, o.Captured = "Declined", reason, 0
	s.did(KindRelease, o, o.ID, o.Amount, "")
	s.changed("CHARGE", o.ID)
}

func (s *Simulator) cancel(c call, id string) answer {
	o := s.find(id)
	switch {
	case o == nil:
		return missing(id)
	case c.unread || c.body.CancellationReason == "" || len(c.body.CancellationReason) > 255:
		return invalid("cancellationReason")
	case o.State != "Authorized" && o.State != "AuthorizationInitiated":
		return s.wrongState(o)
	}
	if o.State == "Authorized" {
		s.did(KindRelease, o, o.ID, o.Amount, c.key)
	}
	o.State, o.Reason = "Canceled", "MerchantCanceled"
	s.changed("CHARGE", o.ID)
	return answer{status: http.StatusOK, body: o.show()}
}

func (s *Simulator) wrongState(o *charge) answer {
	return refusal(http.StatusUnprocessableEntity, "InvalidChargeStatus", "The charge is "+o.State+".")
}

// Decide is what becomes of a pending authorization: it is declined for a reason,
// or, if that is "", it holds.
func (s *Simulator) Decide(id, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(id)
	if o == nil || o.State != "AuthorizationInitiated" {
		return fmt.Errorf("no charge %s is pending", id)
	}
	o.State, o.Reason = "Declined", reason
	if reason == "" {
		o.State = "Authorized"
		s.did(KindHold, o, o.ID, o.Amount, o.Key)
	}
	s.changed("CHARGE", o.ID)
	return nil
}

// SettleCapture is what becomes of a capture that was begun: it is declined for a
// reason, or, if that is "", it has succeeded.
func (s *Simulator) SettleCapture(id, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(id)
	if o == nil || o.State != "CaptureInitiated" {
		return fmt.Errorf("no capture of charge %s was begun", id)
	}
	if reason == "" {
		s.captureSucceeds(o)
		return nil
	}
	s.captureFails(o, reason)
	return nil
}

func (s *Simulator) find(id string) *charge {
	i := slices.IndexFunc(s.charges, func(o *charge) bool { return o.ID == id })
	if i < 0 {
		return nil
	}
	return s.charges[i]
}

func (s *Simulator) showCharge(id string) answer {
	o := s.find(id)
	if o == nil {
		return missing(id)
	}
	return answer{status: http.StatusOK, body: o.show()}
}

// show is the charge as Amazon shows it.
func (o *charge) show() object {
	shown := object{
		"chargeId": o.ID, "chargePermissionId": o.Permission, "chargeAmount": shownPrice(o.Amount, o.Currency), "captureAmount": nil, "refundedAmount": nil,
		"convertedAmount": nil, "conversionRate": nil, "softDescriptor": nil, "providerMetadata": object{"providerReferenceId": nil},
		"merchantMetadata":  object{"merchantReferenceId": o.Metadata.MerchantReferenceID, "customInformation": o.Metadata.CustomInformation},
		"creationTimestamp": stamp(o.Created), "expirationTimestamp": stamp(o.Created.Add(30 * 24 * time.Hour)), "releaseEnvironment": "Sandbox",
		"statusDetails": shownStatus(o.State, o.Reason),
	}
	if o.State == "Captured" {
		shown["captureAmount"] = shownPrice(o.Captured, o.Currency)
	}
	if o.SoftDescriptor != "" {
		shown["softDescriptor"] = o.SoftDescriptor
	}
	return shown
}

func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

func shownStatus(state, reason string) object {
	shown := object{"state": state, "reasonCode": nil, "reasonDescription": nil}
	if reason != "" {
		shown["reasonCode"], shown["reasonDescription"] = reason, "As the reason says."
	}
	return shown
}

func shownPrice(units int64, currency string) object {
	amount := strconv.FormatInt(units, 10)
	if currency != "JPY" {
		amount = fmt.Sprintf("%d.%02d", units/100, units%100)
	}
	return object{"amount": amount, "currencyCode": currency}
}

// units is an amount in the currency's smallest unit; ok is false for what Amazon
// takes for no amount.
func (p *price) units() (n int64, ok bool) {
	if p == nil || len(p.CurrencyCode) != 3 {
		return 0, false
	}
	whole, cents, dotted := strings.Cut(p.Amount, ".")
	switch {
	case p.CurrencyCode == "JPY" && dotted:
		return 0, false
	case p.CurrencyCode == "JPY":
	case !dotted || len(cents) != 2:
		return 0, false
	}
	n, err := strconv.ParseInt(whole+cents, 10, 64)
	return n, err == nil && n > 0 && !strings.HasPrefix(whole, "+")
}
