package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// roundTime is how long floor or acquit work before the other takes its turn.
	roundTime = 500 * time.Millisecond
	// warmTime is how long each works before a cell, uncounted.
	warmTime = 200 * time.Millisecond
)

// figures are what was measured of one side in one cell.
type figures struct {
	ops, failed, dropped int
	elapsed              time.Duration
	p50, p99             time.Duration
	cpu                  time.Duration // of its server process, for each operation; etcd's too where that is embedded
	proposals            float64       // of raft, for each operation
	live                 float64       // bytes of etcd that an operation leaves, once history is dropped
}

func (f figures) rate() float64 { return float64(f.ops) / f.elapsed.Seconds() }

// comparison is one row of the report.
type comparison struct {
	place string
	cell
	floor, acquit figures
}

// compare measures floor and acquit in turns.
func compare(ctx context.Context, st *stage, c cell, d time.Duration) (comparison, error) {
	out := comparison{place: st.place, cell: c}
	var both [2]*measured
	for i, s := range st.sides() {
		m, err := begin(ctx, s, c)
		if err != nil {
			return out, err
		}
		both[i] = m
	}
	rounds := 2 * max(1, int(d/(2*roundTime))) // even, so that each side is as often first
	for i := range rounds {
		first, second := both[i%2], both[1-i%2] // floor acquit, acquit floor, floor acquit, …
		if err := errors.Join(first.round(ctx, d/time.Duration(rounds)), second.round(ctx, d/time.Duration(rounds))); err != nil {
			return out, err
		}
	}
	var err error
	if out.floor, err = both[0].end(ctx); err != nil {
		return out, err
	}
	out.acquit, err = both[1].end(ctx)
	return out, err
}

// measured is one side during a cell.
type measured struct {
	*side
	cell

	crew      *crew
	before    standing
	proposals uint64
	worked    time.Duration
}

// begin warms a side up and notes where it stands.
func begin(ctx context.Context, s *side, c cell) (*measured, error) {
	m := &measured{side: s, cell: c, crew: newCrew(s.conn, c.workload, c.callers)}
	m.load(ctx, warmTime)
	for _, one := range m.crew.callers {
		one.took = nil
	}
	m.crew.elapsed, m.crew.dropped = 0, 0
	err := s.compact(ctx)
	if err == nil {
		m.before, err = s.stands(ctx)
	}
	return m, err
}

func (m *measured) load(ctx context.Context, d time.Duration) {
	if m.rate > 0 {
		m.crew.open(ctx, m.rate, d)
		return
	}
	m.crew.closed(ctx, forTime(d))
}

// round is one turn of the side. Proposals and processor time are counted within
// turns only.
func (m *measured) round(ctx context.Context, d time.Duration) error {
	before, err := m.stands(ctx)
	if err != nil {
		return err
	}
	began, err := m.process.worked()
	if err != nil {
		return err
	}
	m.load(ctx, d)
	ended, err := m.process.worked()
	if err != nil {
		return err
	}
	after, err := m.stands(ctx)
	m.proposals += after.index - before.index
	m.worked += ended - began
	return errors.Join(err, ctx.Err())
}

// end sums up.
func (m *measured) end(ctx context.Context) (figures, error) {
	var took []time.Duration
	f := figures{elapsed: m.crew.elapsed, dropped: m.crew.dropped}
	for _, one := range m.crew.callers {
		took = append(took, one.took...)
		f.failed += one.failed
	}
	if err := m.take(m.crew); err != nil {
		return f, fmt.Errorf("%s, %s: %w", m.name, m.cell, err)
	}
	if err := m.compact(ctx); err != nil {
		return f, err
	}
	after, err := m.stands(ctx)
	if err != nil {
		return f, err
	}
	if f.ops = len(took); f.ops == 0 {
		return f, fmt.Errorf("%s, %s: no call was made", m.name, m.cell)
	}
	slices.Sort(took)
	f.p50, f.p99 = quantile(took, 0.50), quantile(took, 0.99)
	f.cpu = m.worked / time.Duration(f.ops)
	f.proposals = float64(m.proposals) / float64(f.ops)
	f.live = float64(after.bytes-m.before.bytes) / float64(f.ops)
	return f, nil
}

// quantile is the smallest time within which a part q of the calls was done.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
