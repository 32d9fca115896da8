package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// ErrForeignKey says that the ring is not the one its ledger was used with.
// Going on would derive other provider keys for the same operations: second
// effects. Nobody may start with it.
var ErrForeignKey = errors.New("this key is not the ledger's")

// Anchor returns the value that the deployment's ledger keeps under a name,
// after storing value if there is none and value is not nil. nil means that
// nothing is stored. A stored value never changes.
type Anchor func(ctx context.Context, name string, value []byte) ([]byte, error)

// Verify makes sure that the ring belongs to the ledger behind the anchor. An
// unused ledger takes the ring as its own, and a ledger takes new versions from
// a ring that also holds one it knows.
//
// What is kept is a check value for each version, from which nothing about K
// follows. Errors: ErrForeignKey, with what to do about it; the anchor's.
func (r Ring) Verify(ctx context.Context, anchor Anchor) error {
	known, err := r.compare(ctx, anchor)
	if err != nil {
		return err
	}
	_, first := r.keys().versions[1]
	if !known && !first {
		return fmt.Errorf("keyring: %w: the ledger knows no key yet and this one has no version 1; "+
			"if the ledger is new on purpose, number the versions from 1", ErrForeignKey)
	}
	for _, v := range r.Versions() {
		want := r.check(v)
		got, err := anchor(ctx, anchorName(v), want)
		if err != nil {
			return fmt.Errorf("keyring: pin version %d: %w", v, err)
		}
		if !hmac.Equal(got, want) { // somebody else started first, with another key
			return foreign(v)
		}
	}
	return nil
}

// compare holds the ring against every version that the ledger knows, and
// reports whether it knows any. Versions are pinned without gaps, so the one
// after the ring's last tells whether there are later ones.
func (r Ring) compare(ctx context.Context, anchor Anchor) (known bool, err error) {
	versions := r.Versions()
	last := versions[len(versions)-1]
	for i, v := range versions {
		if i > 0 && v != versions[i-1]+1 {
			return false, fmt.Errorf("keyring: version %d is followed by %d; versions are numbered without gaps", versions[i-1], v)
		}
	}
	shared := false
	for v := 1; v <= min(last+1, maxVersion); v++ {
		stored, err := anchor(ctx, anchorName(v), nil)
		if err != nil {
			return false, fmt.Errorf("keyring: read the check value of version %d: %w", v, err)
		}
		if stored == nil {
			continue
		}
		known = true
		if v > last {
			return false, fmt.Errorf("keyring: %w: the ledger was used with version %d, which is missing here; "+
				"start with the key file that has it", ErrForeignKey, v)
		}
		if _, ours := r.keys().versions[v]; !ours {
			continue // retired here; another version must connect
		}
		if !hmac.Equal(stored, r.check(v)) {
			return false, foreign(v)
		}
		shared = true
	}
	if known && !shared {
		return false, fmt.Errorf("keyring: %w: no version that the ledger knows is here; "+
			"put back the lines of the earlier versions", ErrForeignKey)
	}
	return known, nil
}

// check is the value by which a version is recognised.
func (r Ring) check(version int) []byte {
	mac := hmac.New(sha256.New, r.keys().versions[version].k)
	mac.Write([]byte("acquit-check"))
	return mac.Sum(nil)
}

func anchorName(version int) string { return "key-check-" + strconv.Itoa(version) }

func foreign(version int) error {
	return fmt.Errorf("keyring: %w: version %d differs from the one it was used with; "+
		"start with the original key file, or with another ledger", ErrForeignKey, version)
}

// OpenOrCreate loads the key file and verifies it, or, for a ledger that has
// never been used with a key, generates one into the file first. A lost file is
// never replaced: the ledger's operations were sent under keys derived from it.
//
// Errors: those of LoadFile and Verify; ErrForeignKey if the file is absent but
// the ledger knows a key.
func OpenOrCreate(ctx context.Context, path string, anchor Anchor) (*Ring, error) {
	ring, err := LoadFile(path)
	if missing(err) {
		ring, err = create(ctx, path, anchor)
	}
	if err != nil {
		return nil, err
	}
	if err := ring.Verify(ctx, anchor); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}

// create generates a ring into a new file, before the ledger hears of it: a
// crash in between leaves a file that the next start takes.
func create(ctx context.Context, path string, anchor Anchor) (*Ring, error) {
	stored, err := anchor(ctx, anchorName(1), nil)
	if err != nil {
		return nil, fmt.Errorf("keyring: read the check value of version 1: %w", err)
	}
	if stored != nil {
		ring, err := LoadFile(path) // another process may have made it since we looked
		if missing(err) {
			return nil, fmt.Errorf("keyring: %w: %s does not exist, but the ledger was used with a key; "+
				"restore the file from its backup", ErrForeignKey, path)
		}
		return ring, err
	}
	ring, err := Generate()
	if err != nil {
		return nil, err
	}
	if err := ring.CreateFile(path); errors.Is(err, fs.ErrExist) {
		return LoadFile(path) // another process was faster; its key is the one
	} else if err != nil {
		return nil, err
	}
	return ring, nil
}
