package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// report is what was measured.
type report struct {
	compared       []comparison
	memory         []memoryRun
	effects, again int // looked at when the promise was checked
}

// The targets, each against the floor of the same run.
const (
	wantRate      = 0.7       // of the floor's throughput, with wantRateFrom callers
	wantRateFrom  = 64        //
	wantP50       = 1.5       // of the floor's, with one caller
	wantMemory    = 128 << 20 // of acquit, beyond the floor's where etcd is embedded
	wantProposals = 2.0
	wantGrowth    = 8 << 20 // of memory in the second half of a run, at most
	// proposalSlack is what etcd and the session propose beside the operations.
	proposalSlack = 0.1
)

// write prints the report in Markdown.
func (r report) write(w io.Writer) {
	if len(r.compared) > 0 {
		fmt.Fprintf(w, "Floor / acquit, on %d processors, %s:\n\n", runtime.NumCPU(), runtime.Version())
		r.writeCompared(w)
	}
	if len(r.memory) > 0 {
		fmt.Fprintf(w, "\nAnonymous resident memory in MiB, %d callers, %s:\n\n", memoryCallers, authorizeOnly().name)
		r.writeMemory(w)
	}
	if lines := r.targets(); len(lines) > 0 {
		fmt.Fprintf(w, "\n| target | measured | held |\n|---|---|---|\n%s", strings.Join(lines, ""))
	}
	if r.effects > 0 {
		fmt.Fprintf(w, "\n%d effects at the provider, none twice; %d keys asked again, all answered with the same bytes.\n", r.effects, r.again)
	}
}

func (r report) writeCompared(w io.Writer) {
	fmt.Fprint(w, "| etcd | load | calls/s | ratio | p50 ms | ratio | p99 ms | ratio | CPU ms/call | proposals/call | live bytes/call | not sent or failed |\n"+
		"|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range r.compared {
		f, a := c.floor, c.acquit
		fmt.Fprintf(w, "| %s | %s | %.0f / %.0f | %.2f | %s / %s | %.2f | %s / %s | %.2f | %s / %s | %.2f / %.2f | %.0f / %.0f | %d / %d |\n",
			c.place, c.cell, f.rate(), a.rate(), a.rate()/f.rate(),
			ms(f.p50), ms(a.p50), ratio(a.p50, f.p50), ms(f.p99), ms(a.p99), ratio(a.p99, f.p99),
			ms(f.cpu), ms(a.cpu), f.proposals, a.proposals, f.live, a.live, f.dropped+f.failed, a.dropped+a.failed)
	}
}

func (r report) writeMemory(w io.Writer) {
	fmt.Fprint(w, "| etcd | process | at the start |")
	for i := range memoryPoints {
		fmt.Fprintf(w, " %d |", r.memory[0].ops*(i+1)/memoryPoints)
	}
	fmt.Fprintf(w, "\n|---|---|---|%s\n", strings.Repeat("---|", memoryPoints))
	for _, m := range r.memory {
		fmt.Fprintf(w, "| %s | %s |", m.place, m.name)
		for _, p := range m.points {
			fmt.Fprintf(w, " %d |", p>>20)
		}
		fmt.Fprintln(w)
	}
}

// targets says of each target that this run tells about whether it held.
func (r report) targets() []string {
	var lines []string
	line := func(held bool, measured, format string, args ...any) {
		word := "no"
		if held {
			word = "yes"
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s |\n", fmt.Sprintf(format, args...), measured, word))
	}
	for _, c := range r.compared {
		name := c.place + " etcd, " + c.String()
		if c.rate == 0 && c.callers == wantRateFrom {
			got := c.acquit.rate() / c.floor.rate()
			line(got >= wantRate, fmt.Sprintf("%.2f", got), "%s: at least %.1f of the floor", name, wantRate)
		}
		if c.rate == 0 && c.callers == 1 {
			got := ratio(c.acquit.p50, c.floor.p50)
			line(got <= wantP50, fmt.Sprintf("%.2f", got), "%s: p50 at most %.1f of the floor's", name, wantP50)
		}
		if c.rate == 0 && c.callers == wantRateFrom {
			got := c.acquit.proposals
			line(got >= wantProposals && got <= wantProposals+proposalSlack, fmt.Sprintf("%.2f", got), "%s: %.0f proposals a call", name, wantProposals)
		}
	}
	var floor int64
	for _, m := range r.memory {
		if m.name == roleFloor {
			floor = m.highest()
			continue
		}
		if m.place == placeEmbedded {
			line(m.highest() <= floor+wantMemory, fmt.Sprintf("%d and %d MiB", m.highest()>>20, floor>>20),
				"embedded etcd: memory at most the floor's and %d MiB", wantMemory>>20)
			continue
		}
		line(m.highest() <= wantMemory, fmt.Sprintf("%d MiB", m.highest()>>20), "etcd as a process: memory at most %d MiB", wantMemory>>20)
		line(m.growth() <= wantGrowth, fmt.Sprintf("%+d MiB", m.growth()>>20), "etcd as a process: memory flat in the second half, within %d MiB", wantGrowth>>20)
	}
	return lines
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
