package payment

import "encoding/json"

// Instruction is what the caller asked for, complete enough to build every
// request of the operation again, on any account. It is stored only encrypted
// and erased when the operation is final.
type Instruction struct {
	IdempotencyKey      IdempotencyKey        `json:"idempotency_key"` // to derive the key of another account's attempt
	MerchantReference   MerchantReference     `json:"merchant_reference,omitempty"`
	Amount              Money                 `json:"amount"`
	CaptureMode         CaptureMode           `json:"capture_mode"`
	Account             AccountName           `json:"account,omitempty"` // pins one
	Tokens              map[AccountName]Token `json:"tokens,omitempty"`
	BankTransfer        *BankTransfer         `json:"bank_transfer,omitempty"`
	ReturnURL           string                `json:"return_url,omitempty"`
	Customer            *Customer             `json:"customer,omitempty"`
	Browser             *Browser              `json:"browser,omitempty"`
	StoredCredential    *StoredCredential     `json:"stored_credential,omitempty"`
	StatementDescriptor string                `json:"statement_descriptor,omitempty"`
	Metadata            map[string]string     `json:"metadata,omitempty"`
	Reason              string                `json:"reason,omitempty"` // of a refund
	// ReturnParameters are what the shopper's browser brought back from the
	// provider, of a completion.
	ReturnParameters map[string]string `json:"return_parameters,omitempty"`
}

// Order is what a caller asks of a payment that exists.
type Order struct {
	Payment ID
	Amount  *Money // nil asks for the rest
	Last    bool   // a capture after which the rest of the hold is released
	Reason  string // of a refund
	// ReturnParameters are what the shopper brought back, of a completion.
	ReturnParameters map[string]string
}

// Token stands for the payer's instrument at one account. Exactly one field is set.
type Token struct {
	StoredID      string          `json:"stored_id,omitempty"`
	ClientPayload json.RawMessage `json:"client_payload,omitempty"`
}

// BankTransfer asks for a transfer from the payer's bank. The beneficiary
// comes from configuration only.
type BankTransfer struct {
	Scheme         string `json:"scheme,omitempty"`
	RemitterName   string `json:"remitter_name,omitempty"`
	RemitterBankID string `json:"remitter_bank_id,omitempty"`
}

// Customer is the payer.
type Customer struct {
	CustomerID          string                 `json:"customer_id,omitempty"`
	ProviderCustomerIDs map[AccountName]string `json:"provider_customer_ids,omitempty"`
	Name                string                 `json:"name,omitempty"`
	Email               string                 `json:"email,omitempty"`
	Phone               string                 `json:"phone,omitempty"`
	IPAddress           string                 `json:"ip_address,omitempty"`
	BillingAddress      *Address               `json:"billing_address,omitempty"`
}

// Address is a postal address; CountryCode is ISO 3166-1 alpha-2.
type Address struct {
	Line1       string `json:"line1,omitempty"`
	Line2       string `json:"line2,omitempty"`
	City        string `json:"city,omitempty"`
	Region      string `json:"region,omitempty"`
	PostalCode  string `json:"postal_code,omitempty"`
	CountryCode string `json:"country_code,omitempty"`
}

// Browser is what strong customer authentication asks about the payer's browser.
type Browser struct {
	AcceptHeader      string `json:"accept_header,omitempty"`
	UserAgent         string `json:"user_agent,omitempty"`
	Language          string `json:"language,omitempty"`
	ColorDepth        int32  `json:"color_depth,omitempty"`
	ScreenHeight      int32  `json:"screen_height,omitempty"`
	ScreenWidth       int32  `json:"screen_width,omitempty"`
	TimeZoneOffset    int32  `json:"time_zone_offset,omitempty"` // minutes, as the browser reports it
	JavaEnabled       bool   `json:"java_enabled,omitempty"`
	JavaScriptEnabled bool   `json:"java_script_enabled,omitempty"`
}

// StoredCredential says who started a payment with a stored instrument.
type StoredCredential struct {
	Initiator            string `json:"initiator,omitempty"` // customer or merchant
	Purpose              string `json:"purpose,omitempty"`   // e.g. recurring, unscheduled
	NetworkTransactionID string `json:"network_transaction_id,omitempty"`
}

// Send is everything a driver needs to build one request. The same Send gives
// the same bytes, in any process, at any time.
type Send struct {
	Method            Method
	Step              StepName
	Account           AccountName
	Key               ProviderKey
	Reference         ReferenceID
	PaymentID         ID
	Parent            ProviderReference // of the object that the request acts on; empty for an authorization
	ParentReference   ReferenceID       // ours, of the authorization that a completion goes on with; else empty
	ProviderReference ProviderReference // of the object asked about, or cancelled; empty where the request is to make it
	Amount            Money
	Instruction       Instruction
}
