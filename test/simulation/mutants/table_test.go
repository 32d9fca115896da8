package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Goal: a mutant cannot rot unseen between two hunts. Method: every place that is
// changed is there, once.
func TestEveryMutantHasItsPlace(t *testing.T) {
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range table() {
		if names[m.name] {
			t.Errorf("two mutants are named %q", m.name)
		}
		names[m.name] = true
		for _, e := range m.edits {
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.apply(string(text)); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}

// Goal: a known seed is of use. Method: each is a mutant's, and one of those that all
// mutants are hunted with.
func TestEveryKnownSeedHasItsMutant(t *testing.T) {
	names := map[string]bool{}
	for _, m := range table() {
		names[m.name] = true
	}
	for name, seed := range knownSeeds() {
		if !names[name] || seed < 1 || seed > most {
			t.Errorf("seed %d is known for %q: no mutant's, or none of the %d seeds", seed, name, most)
		}
	}
}
