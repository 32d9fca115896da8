package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// instruction says in the orchestrator's words what an AuthorizeRequest asks
// for. The request has passed validation; what validation cannot express is
// refused here, by a *payment.Error with ReasonRequestInvalid.
func instruction(r *acquitv1.AuthorizeRequest) (payment.Instruction, error) {
	if _, err := payment.Exponent(r.GetAmount().GetCurrencyCode()); err != nil {
		return payment.Instruction{}, invalid("amount.currency_code", "is not an active ISO 4217 currency")
	}
	tokens, err := tokens(r.GetPaymentMethod().GetTokenSet())
	if err != nil {
		return payment.Instruction{}, err
	}
	return payment.Instruction{
		MerchantReference:   payment.MerchantReference(r.GetMerchantReference()),
		Amount:              payment.Money{MinorUnits: r.GetAmount().GetMinorUnits(), CurrencyCode: r.GetAmount().GetCurrencyCode()},
		CaptureMode:         captureMode(r.GetCaptureMode()),
		Account:             payment.AccountName(r.GetAccount()),
		Tokens:              tokens,
		BankTransfer:        bankTransfer(r.GetPaymentMethod().GetBankTransfer()),
		ReturnURL:           r.GetReturnUrl(),
		Customer:            customer(r.GetCustomer()),
		Browser:             browser(r.GetBrowserInfo()),
		StoredCredential:    storedCredential(r.GetStoredCredential()),
		StatementDescriptor: r.GetStatementDescriptor(),
		Metadata:            r.GetMetadata(),
	}, nil
}

// invalid refuses a field.
func invalid(field, message string) error {
	return &payment.Error{Reason: payment.ReasonRequestInvalid, Field: field, Message: message}
}

// captureMode reads an unspecified mode as MANUAL: holding is the smaller step.
func captureMode(m acquitv1.CaptureMode) payment.CaptureMode {
	if m == acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC {
		return payment.CaptureAutomatic
	}
	return payment.CaptureManual
}

func tokens(set *acquitv1.TokenSet) (map[payment.AccountName]payment.Token, error) {
	if set == nil {
		return nil, nil
	}
	out := make(map[payment.AccountName]payment.Token, len(set.GetTokens()))
	for i, t := range set.GetTokens() {
		token := payment.Token{StoredID: t.GetStoredId()}
		if payload := t.GetClientPayload(); payload != nil {
			raw, err := jsonObject(payload)
			if err != nil {
				return nil, invalid(fmt.Sprintf("payment_method.token_set.tokens[%d].client_payload", i), "holds a value that JSON has no word for")
			}
			token.ClientPayload = raw
		}
		out[payment.AccountName(t.GetAccount())] = token
	}
	return out, nil
}

// jsonObject writes a payload with its names sorted, so that equal payloads are
// equal bytes. protojson promises no such thing, but it alone refuses values
// that JSON has no word for, such as NaN.
func jsonObject(payload *structpb.Struct) (json.RawMessage, error) {
	if _, err := payload.MarshalJSON(); err != nil {
		return nil, err
	}
	return json.Marshal(payload.AsMap())
}

func bankTransfer(b *acquitv1.BankTransfer) *payment.BankTransfer {
	if b == nil {
		return nil
	}
	return &payment.BankTransfer{
		Scheme:       word(b.GetScheme().String(), "BANK_SCHEME_"),
		RemitterName: b.GetRemitterName(), RemitterBankID: b.GetRemitterBankId(),
	}
}

func customer(c *acquitv1.Customer) *payment.Customer {
	if c == nil {
		return nil
	}
	out := &payment.Customer{
		CustomerID: c.GetCustomerId(), Name: c.GetName(), Email: c.GetEmail(), Phone: c.GetPhone(),
		IPAddress: c.GetIpAddress(), BillingAddress: address(c.GetBillingAddress()),
	}
	for account, id := range c.GetProviderCustomerIds() {
		if out.ProviderCustomerIDs == nil {
			out.ProviderCustomerIDs = make(map[payment.AccountName]string, len(c.GetProviderCustomerIds()))
		}
		out.ProviderCustomerIDs[payment.AccountName(account)] = id
	}
	return out
}

func address(a *acquitv1.Address) *payment.Address {
	if a == nil {
		return nil
	}
	return &payment.Address{
		Line1: a.GetLine1(), Line2: a.GetLine2(), City: a.GetCity(), Region: a.GetRegion(),
		PostalCode: a.GetPostalCode(), CountryCode: a.GetCountryCode(),
	}
}

func browser(b *acquitv1.BrowserInfo) *payment.Browser {
	if b == nil {
		return nil
	}
	return &payment.Browser{
		AcceptHeader: b.GetAcceptHeader(), UserAgent: b.GetUserAgent(), Language: b.GetLanguage(),
		ColorDepth: b.GetColorDepth(), ScreenHeight: b.GetScreenHeight(), ScreenWidth: b.GetScreenWidth(),
		TimeZoneOffset: b.GetTimeZoneOffsetMinutes(), JavaEnabled: b.GetJavaEnabled(), JavaScriptEnabled: b.GetJavaScriptEnabled(),
	}
}

func storedCredential(s *acquitv1.StoredCredential) *payment.StoredCredential {
	if s == nil {
		return nil
	}
	return &payment.StoredCredential{
		Initiator: word(s.GetInitiator().String(), "CREDENTIAL_INITIATOR_"), Purpose: word(s.GetPurpose().String(), "CREDENTIAL_PURPOSE_"),
		NetworkTransactionID: s.GetNetworkTransactionId(),
	}
}

// captureOrder says in the orchestrator's words what a CaptureRequest asks for.
func captureOrder(r *acquitv1.CaptureRequest) payment.Order {
	return payment.Order{Payment: payment.ID(r.GetPaymentId()), Amount: amount(r.GetAmount()), Last: r.GetFinal()}
}

// refundOrder says in the orchestrator's words what a RefundRequest asks for.
func refundOrder(r *acquitv1.RefundRequest) payment.Order {
	return payment.Order{
		Payment: payment.ID(r.GetPaymentId()), Amount: amount(r.GetAmount()),
		Reason: word(r.GetReason().String(), "REFUND_REASON_"),
	}
}

// voidOrder says in the orchestrator's words what a VoidRequest asks for.
func voidOrder(r *acquitv1.VoidRequest) payment.Order {
	return payment.Order{Payment: payment.ID(r.GetPaymentId())}
}

// completeOrder says in the orchestrator's words what a CompleteAuthorizationRequest
// asks for.
func completeOrder(r *acquitv1.CompleteAuthorizationRequest) payment.Order {
	return payment.Order{Payment: payment.ID(r.GetPaymentId()), ReturnParameters: r.GetReturnParameters()}
}

// amount is nil where the request leaves it to "the rest", which is not zero.
func amount(m *acquitv1.Money) *payment.Money {
	if m == nil {
		return nil
	}
	return &payment.Money{MinorUnits: m.GetMinorUnits(), CurrencyCode: m.GetCurrencyCode()}
}

// operationKey is the record that an operation's id, or its method and key,
// stand for. The tenant is the caller's own, whatever the request says. A
// reference id cannot be turned into one: it has to be looked up.
func operationKey(tenant payment.TenantID, r *acquitv1.GetOperationRequest) payment.OperationKey {
	if key := r.GetKey(); key != nil {
		return payment.Call{
			Tenant: tenant, Method: methodOf(key.GetMethod()), Key: payment.IdempotencyKey(key.GetIdempotencyKey()),
		}.OperationKey()
	}
	return payment.OperationKey{Tenant: tenant, ID: payment.OperationID(r.GetOperationId())}
}

// listFilter says in the ledger's words which payments are asked for. Times that
// no clock can show are refused by a *payment.Error with ReasonRequestInvalid.
func listFilter(tenant payment.TenantID, r *acquitv1.ListPaymentsRequest) (ledger.Filter, error) {
	f := ledger.Filter{Tenant: tenant, MerchantReference: payment.MerchantReference(r.GetMerchantReference())}
	for _, s := range r.GetStatuses() {
		f.Statuses = append(f.Statuses, statusOf(s))
	}
	for _, bound := range []struct {
		field string
		given *timestamppb.Timestamp
		to    *time.Time
	}{
		{"create_time_from", r.GetCreateTimeFrom(), &f.From},
		{"create_time_before", r.GetCreateTimeBefore(), &f.Until},
	} {
		if bound.given == nil {
			continue
		}
		if bound.given.CheckValid() != nil {
			return ledger.Filter{}, invalid(bound.field, "is not a time of the years 1 to 9999")
		}
		*bound.to = bound.given.AsTime()
	}
	return f, nil
}

// word is an enum value as the vocabulary spells it: lower case, without the
// prefix of its type, empty if unspecified.
func word(name, prefix string) string {
	name = strings.TrimPrefix(name, prefix)
	if name == "UNSPECIFIED" {
		return ""
	}
	return strings.ToLower(name)
}
