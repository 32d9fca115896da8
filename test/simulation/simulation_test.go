package simulation

import (
	"flag"
	"fmt"
	"testing"
)

var (
	seeds = flag.Int("seeds", 40, "how many seeds to run")
	hunt  = flag.Bool("hunt", false, "stop at the first seed that breaks an invariant")
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
		if h.failed() {
			t.Fail()
		}
		return
	}
	fails := 0
	cases := map[string]int{}
	for s := uint64(1); s <= uint64(*seeds); s++ {
		h := Run(t, stage, s)
		for c := range h.Cases {
			cases[c]++
		}
		if len(h.Violations) > 0 {
			fails++
			for _, v := range h.Violations {
				t.Errorf("seed %d: %s", s, v)
			}
			if *hunt {
				if h.failed() {
					return
				}
				continue
			}
			if fails > 20 {
				break
			}
		}
	}
	for c, n := range cases {
		fmt.Println(n, c)
	}
}
