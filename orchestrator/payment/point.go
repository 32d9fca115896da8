package payment

// Point names a place in the flow where a test may stop or kill the process.
type Point string

// The points, in the order of one operation.
const (
	PointClaimBefore      Point = "claim_before"
	PointClaimAfter       Point = "claim_after"
	PointSendBeforeCheck  Point = "send_before_check"
	PointSendAfterCheck   Point = "send_after_check"
	PointSendAfterHeaders Point = "send_after_headers"
	PointSendAfterBody    Point = "send_after_body"
	PointResponseReceived Point = "response_received"
	PointOutcomeBefore    Point = "outcome_before"
	PointOutcomeAfter     Point = "outcome_after"
	PointReplyBefore      Point = "reply_before"
	PointFailoverBefore   Point = "failover_before"
	PointFailoverAfter    Point = "failover_after"
	PointTakeoverAfter    Point = "takeover_after"
	PointParkBefore       Point = "park_before"
	PointParkAfter        Point = "park_after"
	PointFenceAfter       Point = "fence_after"
	PointDrainStart       Point = "drain_start"
	PointWebhookVerified  Point = "webhook_verified"  // an event is known to be authentic
	PointWebhookCommitted Point = "webhook_committed" // it is on record, and not answered
)

// Points lists them all, so that a test can visit each and a command can refuse
// a name that does not exist.
func Points() []Point {
	return []Point{
		PointClaimBefore, PointClaimAfter, PointSendBeforeCheck, PointSendAfterCheck, PointSendAfterHeaders,
		PointSendAfterBody, PointResponseReceived, PointOutcomeBefore, PointOutcomeAfter, PointReplyBefore,
		PointFailoverBefore, PointFailoverAfter, PointTakeoverAfter, PointParkBefore, PointParkAfter, PointFenceAfter,
		PointDrainStart, PointWebhookVerified, PointWebhookCommitted,
	}
}
