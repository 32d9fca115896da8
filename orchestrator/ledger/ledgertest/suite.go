package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// property is one thing that every ledger shows.
type property struct {
	name  string
	needs Ability // what it takes of the store besides the interface; "" for nothing
	check func(w *world)
}

// group is the properties of one concern.
type group struct {
	name       string
	properties []property
}

func groups() []group {
	return []group{
		{"claim", claimProperties()},
		{"contention", contentionProperties()},
		{"outcome", outcomeProperties()},
		{"guard", guardProperties()},
		{"park", parkProperties()},
		{"takeover", takeoverProperties()},
		{"failover", failoverProperties()},
		{"fence", fenceProperties()},
		{"joint", jointProperties()},
		{"unique", uniqueProperties()},
		{"event", eventProperties()},
		{"record", recordProperties()},
		{"attention", attentionProperties()},
		{"orphan", orphanProperties()},
		{"await", awaitProperties()},
		{"due", dueProperties()},
		{"reference", referenceProperties()},
		{"payment", paymentProperties()},
		{"amount", amountProperties()},
		{"list", listProperties()},
		{"session", sessionProperties()},
		{"anchor", anchorProperties()},
		{"fault", faultProperties()},
	}
}

// runAll runs every property, each in what around makes of a test: a plain call
// or a bubble of fake time.
func runAll(t *testing.T, around func(t *testing.T, body func(t *testing.T)), open func(t *testing.T) Harness) {
	t.Helper()
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			for _, p := range g.properties {
				t.Run(p.name, func(t *testing.T) {
					around(t, func(t *testing.T) {
						t.Helper()
						h := open(t)
						if err := h.incomplete(); err != nil {
							t.Fatal(err)
						}
						if reason := h.cannot(p.needs); reason != "" {
							t.Logf("not shown, since this store cannot %s: %s", p.needs, reason)
							return
						}
						p.check(newWorld(t, h))
					})
				})
			}
		})
	}
}

// cannot is why the harness cannot do something; "" if it can.
func (h Harness) cannot(a Ability) string {
	for _, c := range h.Cannot {
		if c.Ability == a {
			return c.Reason
		}
	}
	return ""
}

// incomplete reports a means that is neither there nor declared missing with a
// reason.
func (h Harness) incomplete() error {
	if slices.Contains(h.Ledgers[:], nil) || h.EndSession == nil {
		return errors.New("the harness lacks a ledger or the means to end a session")
	}
	there := map[Ability]bool{
		AbilityLose: h.Lose != nil, AbilityLoseAnswer: h.LoseAnswer != nil, AbilityCutOff: h.CutOff != nil, AbilityFill: h.Fill != nil,
	}
	for ability, able := range there {
		if able == (h.cannot(ability) != "") {
			return fmt.Errorf("the harness must either be able to %s, or say in Cannot why not", ability)
		}
	}
	for _, c := range h.Cannot {
		if _, known := there[c.Ability]; !known {
			return fmt.Errorf("the harness declares that it cannot %s, which nobody asks for", c.Ability)
		}
	}
	return nil
}
