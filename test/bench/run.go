package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// stage is floor and acquit, each with an etcd of its own at the same place.
type stage struct {
	place         string
	floor, acquit *side
}

// newStage starts acquit, records what its ledger writes, and starts the floor.
func newStage(ctx context.Context, dir, place string) (*stage, error) {
	st := &stage{place: place}
	var err error
	if st.acquit, err = newSide(ctx, filepath.Join(dir, "a"), place, roleAcquit, nil); err != nil {
		return nil, err
	}
	writes, err := record(ctx, st.acquit)
	if err == nil {
		st.floor, err = newSide(ctx, filepath.Join(dir, "f"), place, roleFloor, writes)
	}
	if err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (st *stage) sides() []*side { return []*side{st.floor, st.acquit} }

func (st *stage) close() error {
	var all error
	for _, s := range st.sides() {
		if s != nil {
			all = errors.Join(all, s.close())
		}
	}
	return all
}

// run measures all that o asks for. What it returns holds what was measured, also
// with an error.
func run(ctx context.Context, o options, progress io.Writer) (r report, err error) {
	dir, err := os.MkdirTemp("", "acquit-bench-") // short: sockets are below it
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &benchmark{options: o, dir: dir, progress: progress, began: time.Now(), report: &r}
	for _, place := range o.places {
		if err := b.at(ctx, place); err != nil {
			return r, fmt.Errorf("etcd %s: %w", place, err)
		}
	}
	b.say("done")
	return r, nil
}

// benchmark is one run.
type benchmark struct {
	options

	dir      string
	progress io.Writer
	began    time.Time
	report   *report
}

func (b *benchmark) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%5.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// at measures with etcd at one place.
func (b *benchmark) at(ctx context.Context, place string) error {
	if len(b.cells()) > 0 {
		if err := b.speed(ctx, place); err != nil {
			return err
		}
	}
	if b.ops > 0 {
		return b.memory(ctx, place)
	}
	return nil
}

// speed compares floor and acquit in every cell.
func (b *benchmark) speed(ctx context.Context, place string) (err error) {
	b.say("etcd %s: starting", place)
	st, err := newStage(ctx, b.dir, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	for i, c := range b.cells() {
		b.say("etcd %s: %s", place, c)
		finish := func() error { return nil }
		if i == 0 && place == b.places[0] {
			finish = b.profile(ctx, st.acquit)
		}
		compared, err := compare(ctx, st, c, b.duration)
		if err := errors.Join(err, finish()); err != nil {
			return err
		}
		b.report.compared = append(b.report.compared, compared)
	}
	return b.check(ctx, place, st.acquit)
}

// check looks whether the promise held on one side.
func (b *benchmark) check(ctx context.Context, place string, s *side) error {
	effects, again, err := check(ctx, s)
	if err != nil {
		return err
	}
	b.say("etcd %s: %d effects, none twice; %d of their keys asked again, all the same", place, effects, again)
	b.report.effects += effects
	b.report.again += again
	return nil
}

// memory watches processes that were just started: acquit, and where etcd is in
// the process, the floor, which has it too.
func (b *benchmark) memory(ctx context.Context, place string) (err error) {
	b.say("etcd %s: memory over %d operations", place, b.ops)
	st, err := newStage(ctx, b.dir, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	for _, s := range st.sides() {
		if place == placeProcess && s == st.floor {
			continue
		}
		watched, err := watchMemory(ctx, s, place, b.ops)
		if err != nil {
			return err
		}
		b.report.memory = append(b.report.memory, watched)
		b.say("etcd %s: %s has %d MiB at most", place, s.name, watched.highest()>>20)
	}
	return b.check(ctx, place, st.acquit)
}
