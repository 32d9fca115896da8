package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// errBroken says that the promise did not hold.
var errBroken = errors.New("the promise is broken")

// effectOf is the kind of the provider's entry that a verb leaves.
func effectOf(m payment.Method) simulator.Kind {
	switch m { //nolint:exhaustive // a workload has no others
	case payment.MethodCapture:
		return simulator.KindCapture
	case payment.MethodRefund:
		return simulator.KindRefund
	}
	return simulator.KindEffect
}

// check asks the provider and acquit whether the promise was kept, and returns
// how many effects and how many answers it looked at.
func check(ctx context.Context, s *side) (effects, again int, err error) {
	entries, err := s.provider.Entries(simulator.EffectKinds()...)
	if err != nil {
		return 0, 0, err
	}
	err = errors.Join(
		checkEffects(entries, s.said, s.unsure, s.sample),
		checkReplays(ctx, s.sample, func(ctx context.Context, c *call) error {
			_, err := c.ask(ctx, s.conn)
			return err
		}))
	return len(entries), len(s.sample), err
}

// checkEffects is I1, seen from the provider: no key and no reference has two
// effects; there are as many as callers were told, but for those of which nobody
// knows; and each call of the sample has its own.
func checkEffects(entries []simulator.Entry, said, unsure int, sample []call) error {
	type name struct {
		kind simulator.Kind
		text string
	}
	keys, references := map[string]int{}, map[name]int{}
	var broken error
	for _, e := range entries {
		keys[e.Key]++
		references[name{e.Kind, e.Reference}]++
		if n := keys[e.Key]; n == 2 {
			broken = fmt.Errorf("%w: provider key %s has more than one effect", errBroken, e.Key)
		}
		if n := references[name{e.Kind, e.Reference}]; n == 2 {
			broken = fmt.Errorf("%w: %s of reference %s happened more than once", errBroken, e.Kind, e.Reference)
		}
	}
	if len(entries) < said || len(entries) > said+unsure {
		broken = errors.Join(broken, fmt.Errorf("%w: %d effects, and callers were told of %d, with %d in doubt", errBroken, len(entries), said, unsure))
	}
	for _, c := range sample {
		if n := references[name{effectOf(c.verb), string(c.reference())}]; n != 1 {
			broken = errors.Join(broken, fmt.Errorf("%w: %s %s had %d effects", errBroken, c.verb, c.key, n))
		}
	}
	return broken
}

// checkReplays is I3: whoever asks again is told the same, to the byte, and that
// it is a replay.
func checkReplays(ctx context.Context, sample []call, ask func(context.Context, *call) error) error {
	if len(sample) == 0 {
		return errors.New("no call was kept to be asked again")
	}
	for _, c := range sample {
		again := call{verb: c.verb, key: c.key, request: c.request}
		if err := ask(ctx, &again); err != nil {
			return fmt.Errorf("%s %s asked again: %w", c.verb, c.key, err)
		}
		if !bytes.Equal(again.raw, c.raw) || !again.replay {
			return fmt.Errorf("%w: %s %s asked again: same bytes %t, replayed %t", errBroken, c.verb, c.key, bytes.Equal(again.raw, c.raw), again.replay)
		}
	}
	return nil
}
