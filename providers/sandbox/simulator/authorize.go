package simulator

import (
	"net/http"
	"time"
)

// The statuses of an authorization.
const (
	StatusAuthorized     = "authorized"
	StatusCaptured       = "captured"
	StatusDeclined       = "declined"
	StatusPending        = "pending"
	StatusRequiresAction = "requires_action"
	StatusCancelled      = "cancelled"
)

// holdFor is how long an authorization holds the money.
const holdFor = 7 * 24 * time.Hour

// authorization builds the authorization that a step asks for.
func authorization(c call, in order, st step) *object {
	o := &object{
		ID: newID("auth_"), Amount: in.Amount, Currency: in.Currency, Reference: in.Reference, Capture: in.Capture,
		Merchant: c.merchant, Key: c.key, Token: in.Token, ExpiresAt: c.at.Add(holdFor).UTC().Truncate(time.Second),
	}
	switch st.outcome {
	case outcomeEffect, outcomeNone:
		o.authorize()
	case outcomePartial:
		o.Amount = max(1, in.Amount/2)
		o.authorize()
	case outcomeDecline:
		o.Status, o.DeclineCode = StatusDeclined, st.code
	case outcomePending:
		o.Status, o.SettleAt = StatusPending, c.at.Add(st.wait)
	case outcomeAction:
		o.Status = StatusRequiresAction
		o.NextAction = &nextAction{Type: "redirect", URL: "http://" + c.host + "/v1/actions/" + o.ID, Method: http.MethodGet}
	case outcomeFail, outcomePendingFail, outcomeStay: // of the other verbs
	}
	return o
}

// authorize holds the money, or takes it where that was asked for.
func (o *object) authorize() {
	o.Status, o.NextAction = StatusAuthorized, nil
	if o.Capture == "automatic" {
		o.Status, o.Captured = StatusCaptured, o.Amount
	}
}
