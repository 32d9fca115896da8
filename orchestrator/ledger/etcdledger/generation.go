package etcdledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// generation is what a deployment remembers of its ledger outside of etcd.
type generation struct {
	Ledger     string `json:"ledger"`             // the ledger's own id
	Generation int64  `json:"generation"`         // how often it had been opened, or marked while it was open
	Revision   int64  `json:"revision,omitempty"` // the highest that etcd was seen at; 0 in files that are older than this field
}

// memory is what this ledger has put into the generation file. It is used by
// Open, then by the status poll, then by Close: never by two at once.
type memory struct {
	written generation
	at      time.Time
}

// saw notes that etcd has come to a revision.
func (l *Ledger) saw(revision int64) {
	for {
		highest := l.revision.Load()
		if revision <= highest || l.revision.CompareAndSwap(highest, revision) {
			return
		}
	}
}

// mark remembers how far etcd has come, at most every RememberEvery and only if
// it has. It counts the ledger's generation too: the revision of a restored etcd
// is soon as high as the lost one's was, by the sessions of processes that try
// to start; that count is not.
func (l *Ledger) mark(ctx context.Context) {
	if l.cfg.GenerationFile == "" || l.revision.Load() <= l.memory.written.Revision || time.Since(l.memory.at) < l.cfg.RememberEvery {
		return
	}
	next := l.memory.written
	n, err := l.countGeneration(ctx, next)
	if ctx.Err() != nil {
		return // Close remembers
	}
	l.memory.at = time.Now()
	switch {
	case errors.Is(err, ErrOldSnapshot):
		l.cfg.Logger.ErrorContext(ctx, "ledger older than it was", "error", err)
		return
	case err != nil:
		l.cfg.Logger.WarnContext(ctx, "ledger generation not counted", "error", err)
	default:
		next.Generation = n
	}
	if err := l.remember(next); err != nil {
		l.cfg.Logger.ErrorContext(ctx, "ledger generation not remembered", "error", err)
	}
}

// remember writes the generation file, with the highest revision seen. What
// another process wrote there of the same ledger is not forgotten.
func (l *Ledger) remember(g generation) error {
	if l.cfg.GenerationFile == "" {
		return nil
	}
	known, err := readGeneration(l.cfg.GenerationFile)
	if err != nil {
		return err
	}
	if known.Ledger != "" && known.Ledger != g.Ledger {
		return fmt.Errorf("%w: %s now knows %s", ErrForeignLedger, l.cfg.GenerationFile, known.Ledger)
	}
	g.Generation = max(g.Generation, known.Generation)
	g.Revision = max(l.revision.Load(), known.Revision)
	if err := writeGeneration(l.cfg.GenerationFile, g); err != nil {
		return err
	}
	l.memory.written, l.memory.at = g, time.Now()
	return nil
}

// readGeneration reads the file; no path and no file both mean that nothing is
// remembered.
func readGeneration(path string) (generation, error) {
	if path == "" {
		return generation{}, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return generation{}, nil
	}
	if err != nil {
		return generation{}, fmt.Errorf("etcdledger: generation file: %w", err)
	}
	var g generation
	if err := json.Unmarshal(raw, &g); err != nil {
		return generation{}, fmt.Errorf("etcdledger: generation file %s is damaged: %w; restore it, or remove it if the ledger is known to be whole", path, err)
	}
	return g, nil
}

// writeGeneration replaces the file as a whole and durably: half of one would
// keep the next start from opening the ledger.
func writeGeneration(path string, g generation) error {
	raw, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("etcdledger: generation file: %w", err)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("etcdledger: generation file: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("etcdledger: generation file: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return syncDir(dir)
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("etcdledger: generation file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("etcdledger: generation file: %w", err)
	}
	return nil
}
