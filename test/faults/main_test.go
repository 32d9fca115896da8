//go:build linux

// Package faults shows the promise with real processes: acquit serve, etcd and
// the simulated provider, killed with SIGKILL, paused with SIGSTOP, stopped with
// SIGTERM and left without their ledger, at every point where it matters.
//
// The truth is the simulator's own log of effects, written to disk before it
// answers, in a process that is never killed. What callers saw is compared to
// the byte.
//
// It needs Linux, whose kernel ends every process that a test leaves behind. What can be shown in one process and in fake
// time is in the end-to-end tests.
package faults

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary is the program under test, built once with the fault points in it; plain
// is the same without the race detector. It runs what is not under test and slow
// with it, which is etcd. member is one member of a cluster of etcd.
var binary, plain, member string

// testsAtATime is how many tests run beside each other, if nobody says otherwise.
const testsAtATime = 6

func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked { // most of a test's time is waiting for a lease to expire
		if err := flag.Set("test.parallel", strconv.Itoa(testsAtATime)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "acquit-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "acquit")
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := build(ctx, binary, "server/acquit", raceDetector); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if plain = binary; raceDetector {
		plain = filepath.Join(dir, "plain")
		if err := build(ctx, plain, "server/acquit", false); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	member = filepath.Join(dir, "member")
	if err := build(ctx, member, "test/faults/member", false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "built acquit in %s\n", time.Since(began).Round(time.Millisecond))
	return m.Run()
}

// build makes a program, with the fault points in it.
func build(ctx context.Context, to, program string, race bool) error {
	args := []string{"build", "-tags", "faults", "-o", to, fmt.Sprintf("-race=%t", race), "github.com/acquitpay/acquit/" + program}
	if said, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return nil
}

// sourcesSeen opens every directory of the module, once, within a test. The go
// command takes an earlier result of this package for good as long as nothing
// changed that its tests imported or opened, and they do not import the program.
var sourcesSeen = sync.OnceValue(func() error {
	return filepath.WalkDir(filepath.Join("..", ".."), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && e.Name() == ".git" {
			return fs.SkipDir
		}
		return err
	})
})
