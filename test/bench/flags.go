package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The places of etcd.
const (
	placeEmbedded = "embedded"
	placeProcess  = "process"
)

// What bounds a run, whatever its flags say.
const (
	maxCallers  = 1024
	maxRate     = 100_000
	maxOps      = 10_000_000
	minDuration = 50 * time.Millisecond
	maxDuration = 10 * time.Minute
)

// options say what is measured.
type options struct {
	duration               time.Duration // of a cell, for floor and acquit each
	callers, rates         []int
	workloads              []workload
	places                 []string
	ops                    int // of a memory run; 0: none
	cpuProfile, memProfile string
}

// parse reads the flags; what is wrong with them is said to usage.
func parse(args []string, usage io.Writer) (options, error) {
	var o options
	var callers, rates, load, etcd string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(usage)
	f.DurationVar(&o.duration, "duration", 2*time.Second, "how long floor and acquit are each measured in a cell")
	f.StringVar(&callers, "callers", "1,64,256", "callers of the closed loops; empty for none")
	f.StringVar(&rates, "rates", "250,1000", "calls a second of the open loops; empty for none")
	f.StringVar(&load, "workload", "both", "authorize, mix (authorize, capture, refund) or both")
	f.StringVar(&etcd, "etcd", "both", "embedded, process or both")
	f.IntVar(&o.ops, "ops", 100_000, "operations of a memory run; 0 for none")
	f.StringVar(&o.cpuProfile, "cpuprofile", "", "`file` for a CPU profile of acquit during the first cell")
	f.StringVar(&o.memProfile, "memprofile", "", "`file` for a profile of what acquit has allocated by the end of the first cell")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.callers, err = numbers("callers", callers, maxCallers); err != nil {
		return o, err
	}
	if o.rates, err = numbers("rates", rates, maxRate); err != nil {
		return o, err
	}
	if o.places, err = choose("etcd", etcd, placeEmbedded, placeProcess); err != nil {
		return o, err
	}
	names, err := choose("workload", load, authorizeOnly().name, mixed().name)
	if err != nil {
		return o, err
	}
	for _, w := range []workload{authorizeOnly(), mixed()} {
		if slices.Contains(names, w.name) {
			o.workloads = append(o.workloads, w)
		}
	}
	return o, o.check()
}

func (o options) check() error {
	if o.duration < minDuration || o.duration > maxDuration {
		return fmt.Errorf("-duration %s: between %s and %s", o.duration, minDuration, maxDuration)
	}
	if o.ops < 0 || o.ops > maxOps {
		return fmt.Errorf("-ops %d: between 0 and %d", o.ops, maxOps)
	}
	if len(o.cells()) == 0 && (o.cpuProfile != "" || o.memProfile != "") {
		return fmt.Errorf("a profile is of a cell, and there is none")
	}
	return nil
}

// numbers reads a list of positive numbers.
func numbers(name, list string, most int) ([]int, error) {
	var all []int
	for s := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("-%s %q: numbers between 1 and %d, separated by commas", name, list, most)
		}
		all = append(all, n)
	}
	return all, nil
}

// choose reads one of some words, or "both" for all of them.
func choose(name, word string, words ...string) ([]string, error) {
	if word == "both" {
		return words, nil
	}
	if !slices.Contains(words, word) {
		return nil, fmt.Errorf("-%s %q: %s or both", name, word, strings.Join(words, ", "))
	}
	return []string{word}, nil
}

// cell is one load under which floor and acquit are compared.
type cell struct {
	workload workload
	callers  int
	rate     int // 0: a closed loop
}

// String names the cell.
func (c cell) String() string {
	if c.rate > 0 {
		return fmt.Sprintf("%s, %d/s", c.workload.name, c.rate)
	}
	return fmt.Sprintf("%s, callers %d", c.workload.name, c.callers)
}

// cells are all loads of a place, in their order. Open loops are of the first
// workload only.
func (o options) cells() []cell {
	var all []cell
	for _, w := range o.workloads {
		for _, n := range o.callers {
			all = append(all, cell{workload: w, callers: n})
		}
	}
	for _, r := range o.rates {
		all = append(all, cell{workload: o.workloads[0], callers: openCallers, rate: r})
	}
	return all
}
