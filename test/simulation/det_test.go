package simulation

import (
	"strings"
	"testing"
)

func TestDet(t *testing.T) {
	stage, _ := NewStage()
	for s := uint64(1); s <= uint64(*seeds); s++ {
		a, b := Run(t, stage, s), Run(t, stage, s)
		if a.Text() != b.Text() {
			for i := range a.Lines {
				if i >= len(b.Lines) || a.Lines[i] != b.Lines[i] {
					t.Errorf("seed %d line %d of %d:\n%s\n---\n%s", s, i, len(a.Lines), strings.Join(a.Lines[max(0, i-12):min(len(a.Lines), i+3)], "\n"), strings.Join(b.Lines[max(0, i-1):min(len(b.Lines), i+3)], "\n"))
					break
				}
			}
		}
	}
}
