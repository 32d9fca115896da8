package account

import "sync"

// Script is what goes wrong with the next requests: faults of a provider's own. The
// zero value is empty: nothing does. It is safe for concurrent use.
type Script[F ~string] struct {
	mu     sync.Mutex
	faults []F
}

// Next puts faults before the next requests that have faults, one each.
func (s *Script[F]) Next(faults ...F) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Take is the fault of a request that has come; false if none waits.
func (s *Script[F]) Take() (F, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return "", false
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f, true
}
