package keyring

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ledger is a deployment's metadata: a stored value never changes.
type ledger struct {
	mu     sync.Mutex
	values map[string][]byte
	fail   error
	writes int
}

func (l *ledger) anchor(_ context.Context, name string, value []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	if stored, ok := l.values[name]; ok {
		return stored, nil
	}
	if value == nil {
		return nil, nil
	}
	if l.values == nil {
		l.values = map[string][]byte{}
	}
	l.writes++
	l.values[name] = slices.Clone(value)
	return value, nil
}

// usedWith is a ledger that has seen these rings, in order.
func usedWith(t *testing.T, rings ...*Ring) *ledger {
	t.Helper()
	l := &ledger{}
	for _, r := range rings {
		if err := r.Verify(t.Context(), l.anchor); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// other is a ring with these versions that shares no secret with the fixed one.
func other(t *testing.T, versions ...int) *Ring {
	t.Helper()
	secrets := map[int][]byte{}
	for _, v := range versions {
		secrets[v] = []byte(strings.Repeat(string(rune('a'+v)), 32))
	}
	r, err := newRing(slices.Max(versions), secrets)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Goal: what is kept in the ledger is what is documented.
func TestCheckValueKnownAnswer(t *testing.T) {
	l := usedWith(t, fixed(t, 1))
	const want = "0747d51ead7eb88f4d423ed6b297eb60fc462f69eb2a3ceaf921d823bc965835"
	if got := hex.EncodeToString(l.values["key-check-1"]); got != want || len(l.values) != 1 {
		t.Errorf("the ledger keeps %q and %d values, want key-check-1 = %s alone", got, len(l.values), want)
	}
	if got := hex.EncodeToString(plainHMAC(fixed(t, 1).keys().versions[1].k, "acquit-check")); got != want {
		t.Errorf("the definition written out gives %s, want %s", got, want)
	}
}

// Goal: a ring starts with its own ledger only, old or new, and every refusal
// says what to do. Method: rings that come and go, as in a life with key changes.
func TestVerify(t *testing.T) {
	for name, c := range map[string]struct {
		ledger *ledger
		ring   *Ring
		want   string // "" if it may start
		pinned []string
	}{
		"an unused ledger":               {usedWith(t), fixed(t, 1), "", []string{"key-check-1"}},
		"the same ring again":            {usedWith(t, fixed(t, 1)), fixed(t, 1), "", []string{"key-check-1"}},
		"a new version beside the known": {usedWith(t, fixed(t, 1)), fixed(t, 1, 2), "", []string{"key-check-1", "key-check-2"}},
		"the first version retired":      {usedWith(t, fixed(t, 1, 2)), fixed(t, 2), "", []string{"key-check-1", "key-check-2"}},
		"retired, and a new one":         {usedWith(t, fixed(t, 1, 2)), fixed(t, 2, 3), "", []string{"key-check-1", "key-check-2", "key-check-3"}},
		"several at once":                {usedWith(t), fixed(t, 1, 2, 3), "", []string{"key-check-1", "key-check-2", "key-check-3"}},

		"a foreign key":                      {usedWith(t, fixed(t, 1)), other(t, 1), "version 1 differs", []string{"key-check-1"}},
		"foreign in its newer version":       {usedWith(t, fixed(t, 1, 2)), mixed(t), "version 2 differs", []string{"key-check-1", "key-check-2"}},
		"foreign under a new number":         {usedWith(t, fixed(t, 1)), other(t, 2), "put back the lines", []string{"key-check-1"}},
		"foreign under a number far away":    {usedWith(t, fixed(t, 1)), other(t, 9), "put back the lines", []string{"key-check-1"}},
		"foreign where the first is retired": {usedWith(t, fixed(t, 1, 2), fixed(t, 2, 3)), other(t, 1), "version 1 differs", []string{"key-check-1", "key-check-2", "key-check-3"}},
		"an old copy of the file":            {usedWith(t, fixed(t, 1), fixed(t, 1, 2)), fixed(t, 1), "used with version 2, which is missing", []string{"key-check-1", "key-check-2"}},
		"an unused ledger, no version 1":     {usedWith(t), fixed(t, 2, 3), "no version 1", nil},
		"a gap":                              {usedWith(t, fixed(t, 1)), fixed(t, 1, 3), "without gaps", []string{"key-check-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.ring.Verify(t.Context(), c.ledger.anchor)
			if c.want == "" && err != nil {
				t.Errorf("Verify = %v, want nil", err)
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("Verify = %v, want an error with %q", err, c.want)
				}
				if !errors.Is(err, ErrForeignKey) && name != "a gap" {
					t.Errorf("Verify = %v, want ErrForeignKey", err)
				}
				assertNoSecret(t, err.Error())
			}
			if got := slices.Sorted(maps.Keys(c.ledger.values)); !slices.Equal(got, c.pinned) {
				t.Errorf("the ledger keeps %v, want %v", got, c.pinned)
			}
		})
	}
}

// mixed has the fixed version 1 and another version 2.
func mixed(t *testing.T) *Ring {
	t.Helper()
	r, err := newRing(2, map[int][]byte{1: fixed(t, 1).keys().versions[1].k, 2: other(t, 2).keys().versions[2].k})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Goal: a ledger that does not answer starts nobody, and its error is kept.
func TestVerifyWithoutLedger(t *testing.T) {
	down := errors.New("ledger unavailable")
	l := &ledger{fail: down}
	if err := fixed(t, 1).Verify(t.Context(), l.anchor); !errors.Is(err, down) {
		t.Errorf("Verify = %v, want the ledger's error", err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if _, err := OpenOrCreate(t.Context(), path, l.anchor); !errors.Is(err, down) {
		t.Errorf("OpenOrCreate = %v, want the ledger's error", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was generated without asking the ledger: %v", err)
	}
}

// Goal: two processes that start at once on an unused ledger with keys of their
// own: one starts, the other is told. Method: the second pins between the
// first's look and its write.
func TestVerifyLosesTheRace(t *testing.T) {
	l := &ledger{}
	raced := func(ctx context.Context, name string, value []byte) ([]byte, error) {
		if value != nil {
			if _, err := l.anchor(ctx, name, other(t, 1).check(1)); err != nil {
				return nil, err
			}
		}
		return l.anchor(ctx, name, value)
	}
	if err := fixed(t, 1).Verify(t.Context(), raced); !errors.Is(err, ErrForeignKey) {
		t.Errorf("Verify = %v, want ErrForeignKey", err)
	}
}

// Goal: the first start makes a key, every later one uses it, and a lost file
// is never replaced by another key.
func TestOpenOrCreate(t *testing.T) {
	l, path := &ledger{}, filepath.Join(t.TempDir(), "key")
	first, err := OpenOrCreate(t.Context(), path, l.anchor)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenOrCreate(t.Context(), path, l.anchor)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := first.ProviderKey("t", "m", "k", "a", "s")
	if b, _ := second.ProviderKey("t", "m", "k", "a", "s"); a != b {
		t.Error("the second start derives other provider keys than the first")
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOrCreate(t.Context(), path, l.anchor); !errors.Is(err, ErrForeignKey) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("OpenOrCreate without the file = %v, want ErrForeignKey that speaks of the backup", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a lost key was replaced")
	}

	if err := other(t, 1).CreateFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOrCreate(t.Context(), path, l.anchor); !errors.Is(err, ErrForeignKey) || !strings.Contains(err.Error(), path) {
		t.Errorf("OpenOrCreate with another file = %v, want ErrForeignKey that names the file", err)
	}
}

// Goal: a crash after the file was made and before the ledger heard of it does
// not block the next start.
func TestOpenOrCreateAfterACrashBetween(t *testing.T) {
	l, path := &ledger{}, filepath.Join(t.TempDir(), "key")
	if err := fixed(t, 1).CreateFile(path); err != nil {
		t.Fatal(err)
	}
	r, err := OpenOrCreate(t.Context(), path, l.anchor)
	if err != nil || r.String() != fixed(t, 1).String() || l.writes != 1 {
		t.Errorf("OpenOrCreate = %v, %v with %d writes; want the file's ring, pinned once", r, err, l.writes)
	}
}

// Goal: a file that cannot be used is not taken for an absent one.
func TestOpenOrCreateKeepsABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("1:short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOrCreate(t.Context(), path, (&ledger{}).anchor); err == nil || errors.Is(err, ErrForeignKey) {
		t.Errorf("OpenOrCreate = %v, want the file's own error", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "1:short" {
		t.Errorf("the broken file was changed to %q", got)
	}
}

// Goal: a process that finds no file, while another that shares the directory
// makes it and pins it, takes that one. Method: the other start runs inside the
// first one's question to the ledger.
func TestOpenOrCreateBehindAnother(t *testing.T) {
	l, path := &ledger{}, filepath.Join(t.TempDir(), "key")
	var winner *Ring
	behind := func(ctx context.Context, name string, value []byte) ([]byte, error) {
		if winner == nil {
			var err error
			if winner, err = OpenOrCreate(ctx, path, l.anchor); err != nil {
				return nil, err
			}
		}
		return l.anchor(ctx, name, value)
	}
	r, err := OpenOrCreate(t.Context(), path, behind)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := winner.ProviderKey("t", "m", "k", "a", "s")
	if b, _ := r.ProviderKey("t", "m", "k", "a", "s"); a != b {
		t.Error("two processes that share a directory derive different keys")
	}
}

// Goal: processes that share a directory and start at once end with one key.
func TestOpenOrCreateConcurrently(t *testing.T) {
	l, path := &ledger{}, filepath.Join(t.TempDir(), "key")
	keys := make([]string, 8)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() {
			r, err := OpenOrCreate(t.Context(), path, l.anchor)
			if err != nil {
				t.Error(err)
				return
			}
			k, _ := r.ProviderKey("t", "m", "k", "a", "s")
			keys[i] = string(k)
		})
	}
	group.Wait()
	if len(slices.Compact(keys)) != 1 {
		t.Errorf("%d processes derive different keys: %v", len(keys), keys)
	}
}
