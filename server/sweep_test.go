package server

import (
	"context"
	"errors"
	"testing"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// taking says of every event what a test says.
type taking struct {
	taken orchestrator.Taken
	err   error
}

func (t taking) Apply(context.Context, payment.Event) (orchestrator.Taken, error) {
	return t.taken, t.err
}

// Goal: what an event makes due is looked after soon, and nobody is hurried for any
// other. Method: one event that is taken in each way.
func TestEventsHurryTheSweep(t *testing.T) {
	for _, c := range []struct {
		taking

		want int
	}{
		{taking{orchestrator.TakenDue, nil}, 1},
		{taking{orchestrator.TakenNoted, nil}, 0},
		{taking{orchestrator.TakenSettled, nil}, 0},
		{taking{"", errors.New("the ledger is away")}, 0},
	} {
		hurried := 0
		h := hurrying{c.taking, &sweep{hurry: func() { hurried++ }}}
		taken, err := h.Apply(t.Context(), payment.Event{})
		if taken != c.taken || !errors.Is(err, c.err) || hurried != c.want {
			t.Errorf("%q, %v: hurried %d times, want %d", taken, err, hurried, c.want)
		}
	}
}
