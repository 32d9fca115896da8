package simulation

import (
	"flag"
	"fmt"
	"testing"
)

var (
	seeds = flag.Int("seeds", 40, "how many seeds to run")
	seed  = flag.Uint64("seed", 0, "the one seed to replay, with its history")
)

func TestHistories(t *testing.T) {
	stage, err := NewStage()
	if err != nil {
		t.Fatal(err)
	}
	if *seed != 0 {
		h := Run(t, stage, *seed)
		fmt.Print(h.Text())
		if h.failed() { t.Fail() }
		return
	}
	fails := 0
	cases := map[string]int{}
	for s := uint64(1); s <= uint64(*seeds); s++ {
		h := Run(t, stage, s)
		for c := range h.Cases { cases[c]++ }
		if h.failed() {
			fails++
			t.Errorf("seed %d: %v", s, h.Violations)
			if fails > 20 { break }
		}
	}
	for c, n := range cases { fmt.Println(n, c) }
}
