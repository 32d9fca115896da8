package main

import (
	"context"
	"fmt"
	"slices"
)

const (
	// memoryPoints is how often a memory run looks.
	memoryPoints = 10
	// memoryCallers is how many callers it has.
	memoryCallers = 64
)

// memoryRun is the memory that one side alone has as its operations add up.
type memoryRun struct {
	place, name string
	ops         int
	points      []int64 // bytes; the first before any operation, then in equal steps
}

func (r memoryRun) highest() int64 { return slices.Max(r.points) }

// growth is how much it grew in the second half, when what fills up has filled up.
func (r memoryRun) growth() int64 {
	return r.points[len(r.points)-1] - r.points[len(r.points)/2]
}

// watchMemory lets a side that has just been started authorize, and looks at its
// memory meanwhile.
func watchMemory(ctx context.Context, s *side, place string, ops int) (memoryRun, error) {
	r := memoryRun{place: place, name: s.name, ops: ops}
	crew := newCrew(s.conn, authorizeOnly(), memoryCallers)
	for i := range memoryPoints + 1 {
		if i > 0 {
			crew.closed(ctx, upTo(int64(ops*i/memoryPoints-ops*(i-1)/memoryPoints)))
		}
		now, err := s.anonymous()
		if err != nil {
			return r, err
		}
		r.points = append(r.points, now)
		if err := ctx.Err(); err != nil {
			return r, err
		}
	}
	if err := s.take(crew); err != nil {
		return r, fmt.Errorf("%s, %s: %w", s.name, place, err)
	}
	return r, nil
}
