// Package ledgertest holds what every ledger must show (Run), and a ledger in
// memory that shows it and lies on request (Store).
//
// The suite speaks to a ledger through its interface alone. What it needs from
// the store besides (ending a session, losing an answer) comes from a Harness;
// what a store cannot do is declared there with a reason, and is never left out
// in silence.
//
// It shows what a ledger does for one to three process lives on one store and
// under a hundred concurrent callers. It does not show durability through a
// crash of the store itself: that takes the store's own tests.
package ledgertest

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
)

// Boots is the number of ledgers that a Harness opens on its store.
const Boots = 3

// Harness is one store, empty when it is opened, as three process lives see it.
type Harness struct {
	// Ledgers are three, each of another boot with a live session, on one store.
	Ledgers [Boots]ledger.Ledger

	// EndSession ends the session of Ledgers[i] as the store sees it, the way a
	// crash or a partition does in the end: when it returns, the markers that the
	// session held are gone and Ledgers[i] knows that it has no session. The
	// ledger stays usable and gets no other session for the rest of the test.
	EndSession func(t *testing.T, i int)

	// Lose makes the answer to the next write of Ledgers[i] get lost, whether the
	// write was made (applied) or not, together with every later read and write of
	// Ledgers[i] until heal is called; its session may go on being renewed. So the
	// ledger cannot read back, and the write must end in ledger.ErrAmbiguous. Nil
	// if declared in Cannot.
	Lose func(t *testing.T, i int, applied bool) (heal func())

	// LoseAnswer makes only the answer to the next write of Ledgers[i] get lost;
	// reading back works, so the ledger can find out by itself. Nil if declared in
	// Cannot.
	LoseAnswer func(t *testing.T, i int, applied bool)

	// CutOff makes the store out of reach for Ledgers[i] until heal is called:
	// none of its reads and writes arrives, and it is told so. Nil if declared in
	// Cannot.
	CutOff func(t *testing.T, i int) (heal func())

	// Fill brings the store near its quota: it takes no new claims, but
	// everything else. Nil if declared in Cannot.
	Fill func(t *testing.T)

	// Cannot declares what the store cannot show, each with the reason.
	Cannot []Inability

	// Patience is how long a call that must end in an error because of Lose,
	// LoseAnswer or CutOff is given by its context. Defaults to 2 s.
	Patience time.Duration
}

// Ability is something that a Harness can do to its store, or declares that it
// cannot.
type Ability string

// The abilities that may be declared missing.
const (
	AbilityLose       Ability = "lose every answer of one ledger"
	AbilityLoseAnswer Ability = "lose one answer of one ledger"
	AbilityCutOff     Ability = "put the store out of one ledger's reach"
	AbilityFill       Ability = "bring the store near its quota"
)

// Inability is something that a store cannot do, and why.
type Inability struct {
	Ability Ability
	Reason  string
}

// Run shows that a ledger keeps its contract. It calls open once per property;
// open returns a Harness on an empty store and registers what closes it with
// t.Cleanup. The properties run one after the other, so open may empty and
// reuse one server; no record of an earlier property may be seen.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	runAll(t, func(t *testing.T, body func(t *testing.T)) { t.Helper(); body(t) }, open)
}
