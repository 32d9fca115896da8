// Command mutants proves that the simulation can fail. Each mutant is the code of
// acquit with one rule of the protocol taken away; it must be caught by an
// invariant within a number of seeds, or the command fails. So does a mutant that
// does not compile, one whose place in the code is gone, and one that ends in
// anything but an invariant's message.
//
//	go run ./test/simulation/mutants
//	go run ./test/simulation/mutants -only "no resend window"
//
// The code is changed in an overlay; production has no switches.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// most is how many seeds a mutant is hunted with, unless asked otherwise.
const most = 5000

func main() {
	seeds := flag.Int("seeds", most, "how many seeds a mutant may survive at most")
	only := flag.String("only", "", "the name of the one mutant to run")
	flag.Parse()
	if err := run(context.Background(), *seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run hunts all mutants, two at a time, and fails if one gets away.
func run(ctx context.Context, seeds int, only string) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	h := hunt{root: root, work: work, seeds: seeds, slots: make(chan struct{}, 2)}
	var pending sync.WaitGroup
	for n, m := range table() {
		if only == "" || only == m.name {
			pending.Go(func() { h.one(ctx, n, m) })
		}
	}
	pending.Wait()
	if h.hunted == 0 {
		return fmt.Errorf("no mutant is named %q", only)
	}
	return errors.Join(h.errs...)
}

// hunt is one run over the table.
type hunt struct {
	root, work string
	seeds      int
	slots      chan struct{}

	mu     sync.Mutex
	hunted int
	errs   []error
}

// one builds and hunts a mutant, and reports.
func (h *hunt) one(ctx context.Context, n int, m mutant) {
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	began := time.Now()
	caught, err := h.catch(ctx, filepath.Join(h.work, fmt.Sprint(n)), m)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hunted++
	took := time.Since(began).Round(100 * time.Millisecond)
	if err != nil {
		h.errs = append(h.errs, fmt.Errorf("%s: %w", m.name, err))
		fmt.Fprintf(os.Stdout, "NOT CAUGHT  %-55s %s\n", m.name, took)
		return
	}
	fmt.Fprintf(os.Stdout, "%-4s at seed %4s  %-55s %s%s\n", caught.invariant, caught.seed, m.name, took, caught.note)
}

// capture is how a mutant was caught.
type capture struct {
	seed, invariant string
	note            string // on the known seed
}

// errSurvived is what the seeds end with that do not catch a mutant.
var errSurvived = errors.New("survived")

// catch builds a mutant and lets it play: first the seed that is known to catch it,
// if there is one, and then all of them.
func (h *hunt) catch(ctx context.Context, dir string, m mutant) (capture, error) {
	overlay, err := h.overlay(dir, m)
	if err != nil {
		return capture{}, err
	}
	binary := filepath.Join(dir, "simulation.test")
	if err := h.build(ctx, overlay, binary); err != nil {
		return capture{}, err
	}
	defer os.Remove(binary)
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	known := knownSeeds()[m.name]
	if known == 0 || known > h.seeds {
		return h.play(ctx, binary, 1, h.seeds)
	}
	caught, err := h.play(ctx, binary, known, known)
	if errors.Is(err, errSurvived) {
		caught, err = h.play(ctx, binary, 1, h.seeds)
		caught.note = fmt.Sprintf("; no more at %d, its known seed", known)
	}
	return caught, err
}

// build makes the test of a mutant. It runs for seconds and nobody looks into it, so
// it is not inlined, not vetted and without symbols: that halves what it costs.
func (h *hunt) build(ctx context.Context, overlay, binary string) error {
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-gcflags=./...=-l -dwarf=false", "-ldflags=-s -w",
		"-overlay", overlay, "-o", binary, "./test/simulation")
	build.Dir = h.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	return nil
}

// play runs the seeds from first to last until one of them catches the mutant, or
// returns errSurvived.
func (h *hunt) play(ctx context.Context, binary string, first, last int) (capture, error) {
	test := exec.CommandContext(ctx, binary, "-test.run=^TestHistories$", "-hunt", fmt.Sprintf("-from=%d", first), fmt.Sprintf("-seeds=%d", last))
	test.Dir = filepath.Join(h.root, "test", "simulation")
	test.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := test.CombinedOutput()
	if err == nil {
		return capture{}, fmt.Errorf("%w the seeds from %d to %d", errSurvived, first, last)
	}
	return caughtIn(out)
}

// caughtIn reads how a run ended. Only an invariant counts.
func caughtIn(out []byte) (capture, error) {
	found := regexp.MustCompile(`(?m)seed (\d+): (I\d+): `).FindSubmatch(out)
	if found == nil || bytes.Contains(out, []byte("panic:")) {
		return capture{}, fmt.Errorf("failed otherwise than by an invariant:\n%s", tail(out))
	}
	return capture{seed: string(found[1]), invariant: string(found[2])}, nil
}

func tail(out []byte) []byte { return out[max(0, len(out)-4000):] }

// overlay writes the changed files and the list that names them.
func (h *hunt) overlay(dir string, m mutant) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	files := map[string]string{}
	for _, e := range m.edits {
		path := filepath.Join(h.root, filepath.FromSlash(e.file))
		from := path
		if changed, ok := files[path]; ok {
			from = changed
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		changed, err := e.apply(string(text))
		if err != nil {
			return "", err
		}
		files[path] = filepath.Join(dir, strings.ReplaceAll(e.file, "/", "_"))
		if err := os.WriteFile(files[path], []byte(changed), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": files})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
}

// apply makes the change. A text that is gone, or is there twice, is an error:
// else a mutant could rot and nobody would notice.
func (e edit) apply(text string) (string, error) {
	if n := strings.Count(text, e.old); n != 1 {
		return "", fmt.Errorf("%s has the text %d times, want once:\n%s", e.file, n, e.old)
	}
	return strings.Replace(text, e.old, e.new, 1), nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
