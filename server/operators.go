package server

import (
	"context"
	"slices"
	"strings"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// operators serves OperatorService, as far as it explains what is built in and
// configured; methods that it does not have answer UNIMPLEMENTED.
type operators struct {
	acquitv1.UnimplementedOperatorServiceServer

	table    *mapping.Table
	accounts []orchestrator.ConfiguredAccount
}

// ExplainMapping implements acquitv1.OperatorServiceServer.
func (s *operators) ExplainMapping(_ context.Context, r *acquitv1.ExplainMappingRequest) (*acquitv1.ExplainMappingResponse, error) {
	if !slices.ContainsFunc(s.table.Rows(), func(row mapping.Row) bool { return row.Driver == r.GetDriver() }) {
		return nil, &payment.Error{Reason: payment.ReasonNotFound, Message: "no such driver", Field: "driver"}
	}
	e := s.table.Explain(r.GetDriver(), methodOf(r.GetOperation()), answer(r))
	return &acquitv1.ExplainMappingResponse{Row: mappingRow(e.Row), Step: ladderStep(e)}, nil
}

// ListAccounts implements acquitv1.OperatorServiceServer.
func (s *operators) ListAccounts(ctx context.Context, _ *acquitv1.ListAccountsRequest) (*acquitv1.ListAccountsResponse, error) {
	tenant, ok := interceptors.TenantFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	out := &acquitv1.ListAccountsResponse{}
	for _, a := range s.accounts {
		if len(a.Tenants) == 0 || slices.Contains(a.Tenants, tenant) {
			out.Accounts = append(out.Accounts, accountMessage(a.Account))
		}
	}
	return out, nil
}

// answer is what the request says that a provider said.
func answer(r *acquitv1.ExplainMappingRequest) payment.Answer {
	a := payment.Answer{
		Transport: payment.Transport(r.GetTransportClass()), HTTPStatus: int(r.GetHttpStatus()), Code: r.GetProviderCode(),
		Decline: r.GetDeclineCode(), Hint: payment.Hint(r.GetHint()),
		Reference: "shown", // the question is about the row; whether an answer carries an id is seen when it comes
	}
	if a.Transport == "" {
		a.Transport = payment.TransportAnswered
	}
	return a
}

func mappingRow(r mapping.Row) *acquitv1.MappingRow {
	out := &acquitv1.MappingRow{
		RowId: r.ID, ProviderCode: r.Code, DeclineCode: r.Decline, HttpStatus: r.HTTP, TransportClass: string(r.Transport),
		Evidence: evidenceEnum(r.Evidence), Category: string(r.Category), Resend: resendEnum(r.Resend),
		FailoverAllowed: r.Failover, Alert: r.Alert, Source: r.Source,
	}
	if r.Driver != mapping.Any {
		out.Driver = r.Driver
	}
	if r.Operation != mapping.Any {
		out.Operation = methodEnum(r.Operation)
	}
	return out
}

// ladderStep is the step of the contract for the rung that fitted. Rows for
// every driver stand on the same steps as rows for one; the row says which.
func ladderStep(e mapping.Explanation) acquitv1.LadderStep {
	if len(e.Rungs) == 0 {
		return acquitv1.LadderStep_LADDER_STEP_DEFAULT_UNKNOWN
	}
	switch name := e.Rungs[len(e.Rungs)-1].Name; {
	case strings.HasPrefix(name, "driver + operation + code"):
		return acquitv1.LadderStep_LADDER_STEP_DRIVER_OPERATION_CODE
	case strings.HasPrefix(name, "driver + code"):
		return acquitv1.LadderStep_LADDER_STEP_DRIVER_CODE
	case strings.Contains(name, "HTTP"):
		return acquitv1.LadderStep_LADDER_STEP_DRIVER_HTTP_CLASS
	case strings.Contains(name, "transport"):
		return acquitv1.LadderStep_LADDER_STEP_TRANSPORT_CLASS
	}
	return acquitv1.LadderStep_LADDER_STEP_DEFAULT_UNKNOWN
}

func accountMessage(a orchestrator.Account) *acquitv1.Account {
	traits, target := a.Traits(), a.Target()
	out := &acquitv1.Account{
		Account: string(a.Name()), Driver: traits.Driver, Environment: environmentEnum(target.Environment), Region: target.Region,
		MerchantId: target.MerchantID, MultipleCaptures: traits.MultipleCaptures, Currencies: traits.Currencies, Available: true,
	}
	for _, m := range traits.Methods {
		out.Operations = append(out.Operations, methodEnum(m))
	}
	if traits.ManualCapture {
		out.CaptureModes = append(out.CaptureModes, acquitv1.CaptureMode_CAPTURE_MODE_MANUAL)
	}
	if traits.AutomaticCapture {
		out.CaptureModes = append(out.CaptureModes, acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC)
	}
	return out
}

func resendEnum(r payment.Resend) acquitv1.ResendRule {
	switch r {
	case payment.ResendNever:
		return acquitv1.ResendRule_RESEND_RULE_NEVER
	case payment.ResendAfterTokenRefresh:
		return acquitv1.ResendRule_RESEND_RULE_ONCE_AFTER_TOKEN_REFRESH
	case payment.ResendImmediate:
		return acquitv1.ResendRule_RESEND_RULE_IMMEDIATE
	case payment.ResendBackoff:
		return acquitv1.ResendRule_RESEND_RULE_BACKOFF
	}
	return acquitv1.ResendRule_RESEND_RULE_UNSPECIFIED
}
