package etcdledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// generation is what a deployment remembers of its ledger outside of etcd.
type generation struct {
	Ledger     string `json:"ledger"`     // the ledger's own id
	Generation int64  `json:"generation"` // how often it had been opened
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
	if path == "" {
		return nil
	}
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
