package caller_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors/caller"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// One connection serves the whole process. The key is of the intent "pay order
// 4711", which is on record before the call: should this process die, the next one
// calls with the same key. While the outcome is not known the call goes on.
func Example() {
	acquit := inMemory(step{err: &payment.Error{Reason: payment.ReasonLedgerUnavailable, RetryAfter: time.Millisecond}}, step{state: unknown}, step{state: declined})
	defer acquit.stop()

	conn, err := grpc.NewClient("passthrough:///acquit", append(caller.DialOptions(caller.Config{}),
		grpc.WithTransportCredentials(insecure.NewCredentials()), acquit.dialer, // "dns:///acquit:7400" and TLS, outside of an example
	)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	payments := acquitv1.NewPaymentServiceClient(conn)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answer, err := payments.Authorize(ctx, request(), caller.Under("order-4711/pay"), caller.UntilStored())
	if err != nil {
		fmt.Println("refused, or not known:", reason(err))
		return
	}
	switch state := answer.GetOperation().GetState(); state {
	case acquitv1.OperationState_OPERATION_STATE_SUCCEEDED:
		fmt.Println("paid")
	case acquitv1.OperationState_OPERATION_STATE_DECLINED, acquitv1.OperationState_OPERATION_STATE_FAILED:
		fmt.Println("not paid, for certain")
	case acquitv1.OperationState_OPERATION_STATE_PENDING, acquitv1.OperationState_OPERATION_STATE_REQUIRES_ACTION:
		fmt.Println("recorded, and not decided yet:", state)
	case acquitv1.OperationState_OPERATION_STATE_INTENT, acquitv1.OperationState_OPERATION_STATE_UNKNOWN,
		acquitv1.OperationState_OPERATION_STATE_FENCING, acquitv1.OperationState_OPERATION_STATE_UNSPECIFIED:
		fmt.Println("not known yet, the same key asks again:", state)
	}
	// Output: not paid, for certain
}

// reason is why acquit refused a call, and "" where it was not acquit.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "acquit.dev" {
			return info.GetReason()
		}
	}
	return ""
}
