package ledgertest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// openMemory is a harness on a Store, whose records must agree with each other
// in the end.
func openMemory(t *testing.T) Harness {
	t.Helper()
	store := NewStore(t, Config{})
	t.Cleanup(func() {
		d, err := store.Dump()
		if err != nil {
			t.Errorf("dump: %v", err)
		}
		for _, problem := range d.Problems() {
			t.Error(problem)
		}
	})
	return harness(store)
}

// harness makes a Store what the suite asks for.
func harness(store *Store) Harness {
	h := Harness{Patience: time.Second, EndSession: func(_ *testing.T, i int) { store.EndSession(bootName(i)) }}
	for i := range h.Ledgers {
		h.Ledgers[i] = store.Ledger(bootName(i))
	}
	first := func(applied bool) Fault {
		if applied {
			return Fault{Loss: AmbiguousApplied}
		}
		return Fault{Loss: AmbiguousNotApplied}
	}
	heal := func() { store.SetHook(nil) }
	h.LoseAnswer = func(_ *testing.T, i int, applied bool) {
		store.SetHook(onFirstWrite(bootName(i), first(applied), Fault{}))
	}
	h.Lose = func(_ *testing.T, i int, applied bool) func() {
		store.SetHook(onFirstWrite(bootName(i), first(applied), Fault{Loss: Unavailable}))
		return heal
	}
	h.CutOff = func(_ *testing.T, i int) func() {
		store.SetHook(onFirstWrite(bootName(i), Fault{Loss: Unavailable}, Fault{Loss: Unavailable}))
		return heal
	}
	h.Fill = func(*testing.T) { store.SetFull(true) }
	return h
}

func bootName(i int) payment.BootID { return payment.BootID(fmt.Sprintf("boot-%d", i)) }

// onFirstWrite makes one fault of a boot's first write and another of all that
// it asks for afterwards; before its first write it is let alone unless its
// faults are the same.
func onFirstWrite(b payment.BootID, first, after Fault) Hook {
	done := make(chan struct{}, 1)
	return func(_ context.Context, c Call) Fault {
		if c.Boot != b {
			return Fault{}
		}
		if first.Loss == after.Loss {
			return first
		}
		if c.Kind.Writes() {
			select {
			case done <- struct{}{}:
				return first
			default:
				return after
			}
		}
		if len(done) > 0 {
			return after
		}
		return Fault{}
	}
}

// The memory ledger keeps the contract, with real time and goroutines.
func TestMemory(t *testing.T) {
	Run(t, openMemory)
}

// The memory ledger keeps the contract in a bubble of fake time, where a lock
// held while waiting or a waiter that is never woken is a deadlock.
func TestMemoryInBubble(t *testing.T) {
	runAll(t, synctest.Test, openMemory)
}
