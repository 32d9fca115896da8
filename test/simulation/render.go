package simulation

import (
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// renderer makes response bytes of what the judge reads in them. All methods'
// responses have the same two fields, so one message serves.
type renderer struct{}

// Render implements orchestrator.Renderer.
func (renderer) Render(p payment.Payment, op payment.Operation) ([]byte, error) {
	money := func(units int64) *acquitv1.Money {
		return &acquitv1.Money{MinorUnits: units, CurrencyCode: p.Amount.CurrencyCode}
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(&acquitv1.AuthorizeResponse{
		Payment: &acquitv1.Payment{
			PaymentId: string(p.ID), Version: p.Version, Amount: money(p.Amount.MinorUnits), Authorized: money(p.Authorized),
			Captured: money(p.Captured), Refunded: money(p.Refunded), Reserved: money(p.CaptureReserved),
		},
		Operation: &acquitv1.Operation{
			ReferenceId: string(op.Reference), State: stateMessage(op.State), Amount: money(op.Amount.MinorUnits), PaymentId: string(op.PaymentID),
		},
	})
}

func stateMessage(s payment.State) acquitv1.OperationState {
	return acquitv1.OperationState(acquitv1.OperationState_value["OPERATION_STATE_"+string(s)])
}

// shown is what a response says.
type shown struct {
	payment payment.ID
	amount  int64 // the operation's, minor units
	state   payment.State
}

func read(raw []byte) (shown, error) {
	var m acquitv1.AuthorizeResponse
	if err := proto.Unmarshal(raw, &m); err != nil {
		return shown{}, err
	}
	const prefix = len("OPERATION_STATE_")
	return shown{
		payment: payment.ID(m.GetOperation().GetPaymentId()), amount: m.GetOperation().GetAmount().GetMinorUnits(),
		state: payment.State(m.GetOperation().GetState().String()[prefix:]),
	}, nil
}
