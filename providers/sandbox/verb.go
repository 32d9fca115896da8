package sandbox

import (
	"cmp"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// The statuses that say more than which code they have.
const (
	statusCaptured       = "captured"
	statusDeclined       = "declined"
	statusPending        = "pending"
	statusRequiresAction = "requires_action"
	statusFailed         = "failed"
)

// verb is how the sandbox speaks of what is asked of it.
type verb struct {
	kind    string            // of its objects; an authorization says none
	action  string            // the last part of the path where it is asked of an authorization
	objects string            // where its objects are; empty: the sandbox has no form of it
	effects map[string]string // statuses that show an effect, and their codes in the mapping table
	others  []string          // the other statuses that the sandbox documents, which are codes too
}

// verbOf returns the verb of a method.
func verbOf(m payment.Method) verb {
	further := func(kind, action, done string) verb {
		return verb{kind, action, "/v1/" + kind + "s", map[string]string{"succeeded": done}, []string{statusPending, statusFailed}}
	}
	authorization := verb{
		objects: authorizations, effects: map[string]string{"authorized": "authorized", statusCaptured: statusCaptured},
		others: []string{statusPending, statusRequiresAction, statusDeclined, "cancelled"},
	}
	switch m {
	case payment.MethodAuthorize:
		return authorization
	case payment.MethodComplete: // it has no object of its own: the authorization is looked up
		authorization.action, authorization.objects = "complete", ""
		return authorization
	case payment.MethodCapture:
		return further("capture", "captures", statusCaptured)
	case payment.MethodRefund:
		return further("refund", "refunds", "refunded")
	case payment.MethodVoid:
		return further("void", "void", "voided")
	}
	return verb{}
}

// fence is the verb of a cancel, whose answer shows the authorization: what that
// holds is no effect of a cancel.
func fence() verb { return verb{others: []string{statusDeclined, "cancelled"}} }

// code is what the mapping table calls a status, and whether that shows an effect.
// What the sandbox does not document begins with what it is about, so that it never
// reads as the status of another verb: look-ups share their rows of the table.
func (v verb) code(status string) (code string, effect bool) {
	if code, effect = v.effects[status]; effect {
		return code, true
	}
	if slices.Contains(v.others, status) {
		return status, false
	}
	return cmp.Or(v.kind, "authorization") + "_" + status, false
}
