package main

import (
	"context"
	"errors"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: a second effect, a lost one and one that nobody was told of are found.
// Method: logs that a provider could have, with what callers were told.
func TestCheckEffects(t *testing.T) {
	sample := call{verb: payment.MethodAuthorize, key: "k"}
	mine := simulator.Entry{Kind: simulator.KindEffect, Key: "1", Reference: string(sample.reference())}
	other := simulator.Entry{Kind: simulator.KindEffect, Key: "2", Reference: "R"}
	capture := simulator.Entry{Kind: simulator.KindCapture, Key: "3", Reference: "R"} // a reference of its own kind
	sameKey := simulator.Entry{Kind: simulator.KindEffect, Key: "2", Reference: "S"}
	sameReference := simulator.Entry{Kind: simulator.KindEffect, Key: "4", Reference: "R"}
	for name, c := range map[string]struct {
		entries      []simulator.Entry
		said, unsure int
		broken       bool
	}{
		"as it should be":                 {[]simulator.Entry{mine, other, capture}, 3, 0, false},
		"one in doubt had its effect":     {[]simulator.Entry{mine, other}, 1, 1, false},
		"one in doubt had none":           {[]simulator.Entry{mine, other}, 2, 1, false},
		"two effects of a key":            {[]simulator.Entry{mine, other, sameKey}, 3, 0, true},
		"two effects of a reference":      {[]simulator.Entry{mine, other, sameReference}, 3, 0, true},
		"an effect that nobody was told":  {[]simulator.Entry{mine, other}, 1, 0, true},
		"an effect that did not happen":   {[]simulator.Entry{mine}, 2, 0, true},
		"another instead of the sample's": {[]simulator.Entry{other}, 1, 0, true},
	} {
		if err := checkEffects(c.entries, c.said, c.unsure, []call{sample}); errors.Is(err, errBroken) != c.broken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Goal: an answer that is not the first one again is found. Method: services
// that answer in other ways.
func TestCheckReplays(t *testing.T) {
	sample := []call{{verb: payment.MethodAuthorize, key: "k", raw: []byte("first")}}
	unreachable := errors.New("unreachable")
	for name, c := range map[string]struct {
		raw    string
		replay bool
		fails  error
		want   error
	}{
		"the same again":     {"first", true, nil, nil},
		"other bytes":        {"other", true, nil, errBroken},
		"executed once more": {"first", false, nil, errBroken},
		"no answer":          {"", false, unreachable, unreachable},
	} {
		err := checkReplays(t.Context(), sample, func(_ context.Context, again *call) error {
			again.raw, again.replay = []byte(c.raw), c.replay
			return c.fails
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := checkReplays(t.Context(), nil, nil); err == nil {
		t.Error("a check of nothing passed")
	}
}
