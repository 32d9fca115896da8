package ledgertest

import (
	"bytes"
	"fmt"
)

// anchorProperties: what a deployment pins, it pins once.
func anchorProperties() []property {
	return []property{
		{"is stored once and never changes", "", anchorOnce},
		{"asked for without a value stores nothing", "", anchorRead},
		{"of several at once has one value", "", anchorOneWinner},
	}
}

func (w *world) anchor(i int, name string, value []byte) []byte {
	w.Helper()
	got, err := w.Ledgers[i].Anchor(w.ctx(), name, value)
	w.ok("anchor "+name, err)
	return got
}

func anchorOnce(w *world) {
	value := everyByte()
	for i := range w.Ledgers {
		got := w.anchor(i, "key-check", value)
		if !bytes.Equal(got, value) {
			w.Fatalf("the anchor is %q", got)
		}
		got[0]++ // the caller's own copy
	}
	for i := range w.Ledgers {
		if got := w.anchor(i, "key-check", []byte("another")); !bytes.Equal(got, value) {
			w.Fatalf("a second value changed the anchor to %q", got)
		}
		if got := w.anchor(i, "key-check", nil); !bytes.Equal(got, value) {
			w.Fatalf("asking changed the anchor to %q", got)
		}
	}
	if got := w.anchor(0, "key-check-2", []byte("own")); !bytes.Equal(got, []byte("own")) {
		w.Fatalf("another name has the value %q", got)
	}
}

func anchorRead(w *world) {
	for i := range w.Ledgers {
		if got := w.anchor(i, "schema", nil); got != nil {
			w.Fatalf("an anchor that nobody stored is %q", got)
		}
	}
}

func anchorOneWinner(w *world) {
	const callers = 30
	got, errs := make([][]byte, callers), make([]error, callers)
	race(callers, func(i int) {
		got[i], errs[i] = w.Ledgers[i%Boots].Anchor(w.ctx(), "cluster", fmt.Appendf(nil, "value %d", i))
	})
	for i := range callers {
		w.ok("anchor", errs[i])
		if !bytes.Equal(got[i], got[0]) {
			w.Fatalf("one caller was told %q, another %q", got[0], got[i])
		}
	}
}
