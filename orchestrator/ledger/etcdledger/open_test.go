package etcdledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/server/embedetcd"
)

// opened opens a ledger with a file that remembers it.
func opened(t *testing.T, prefix, file string) error {
	t.Helper()
	s, err := session.New(bounded(t), inProcess(), session.Config{Boot: payment.BootID(newKey()), Prefix: prefix, TTL: longTTL})
	ok(t, "session.New", err)
	defer s.Close()
	l, err := etcdledger.Open(bounded(t), etcdledger.Config{
		Client: shared.Client(), Session: s, Prefix: prefix, GenerationFile: file,
	})
	if err == nil {
		l.Close()
	}
	return err
}

func refused(t *testing.T, err, want error, words ...string) {
	t.Helper()
	expect(t, "open", err, want)
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func put(t *testing.T, key, value string) {
	t.Helper()
	_, err := shared.Client().Put(bounded(t), key, value)
	ok(t, "put", err)
}

func newFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "generation")
}

// Goal: a ledger that was restored from an older snapshot is not written to:
// effects exist that it knows nothing of.
// Method: the ledger's own count is set back behind what the file remembers;
// the way out that the error names is tried.
func TestOldSnapshotIsRefused(t *testing.T) {
	t.Parallel()
	prefix, file := newPrefix(), newFile(t)
	for range 3 {
		ok(t, "open", opened(t, prefix, file))
	}
	put(t, prefix+"/meta/generation", "2")
	err := opened(t, prefix, file)
	refused(t, err, etcdledger.ErrOldSnapshot, file, "remove that file", "opened 2 times", "remembers 3")
	err = opened(t, prefix, file)
	refused(t, err, etcdledger.ErrOldSnapshot) // being refused does not make it newer
	ok(t, "remove", os.Remove(file))
	ok(t, "open after a person decided", opened(t, prefix, file))
	ok(t, "open again", opened(t, prefix, file))
}

// Goal: processes that share a ledger and remember different counts all open it.
// Method: two files, in turn.
func TestSharedLedgerOpensForAll(t *testing.T) {
	t.Parallel()
	prefix, mine, theirs := newPrefix(), newFile(t), newFile(t)
	for range 3 {
		ok(t, "open", opened(t, prefix, mine))
		ok(t, "open by another", opened(t, prefix, theirs))
	}
	ok(t, "open by one that remembers nothing", opened(t, prefix, ""))
}

// Goal: another deployment's ledger is not written to.
// Method: one file, two ledgers.
func TestForeignLedgerIsRefused(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	ok(t, "open", opened(t, newPrefix(), file))
	other := newPrefix()
	refused(t, opened(t, other, file), etcdledger.ErrForeignLedger, file, other)
}

// Goal: a ledger of another layout, and a damaged file, are for a person.
// Method: write them.
func TestUnreadableLedgerIsRefused(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	ok(t, "open", opened(t, prefix, ""))
	put(t, prefix+"/meta/schema", "2")
	refused(t, opened(t, prefix, ""), ledger.ErrSchema, prefix, `"2"`)
	put(t, prefix+"/meta/schema", "1")
	put(t, prefix+"/meta/generation", "many")
	refused(t, opened(t, prefix, ""), ledger.ErrRecord, "generation")

	file := newFile(t)
	ok(t, "write", os.WriteFile(file, []byte("{"), 0o600))
	if err := opened(t, newPrefix(), file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged file: %v, want an error that names it", err)
	}
}

// Goal: a ledger whose etcd goes away says so, claims nothing, and goes on when
// it is back: with its records, its session and its revisions.
// Method: an etcd of its own is stopped and started again on its directory.
func TestEtcdRestart(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "acquit-") //nolint:usetesting // a socket's path must be short, and the same again
	ok(t, "mkdir", err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := embedetcd.Config{DataDir: dir, Tick: 10 * time.Millisecond}
	etcd, err := embedetcd.Start(bounded(t), cfg)
	ok(t, "start", err)
	p := newProcess(t, setup{prefix: "/p", dial: etcd.Endpoints()})
	s := p.claimed(t)
	guard, _ := p.session.Current()
	ok(t, "stop", etcd.Close())

	c := claimOf(t, p.Boot(), newKey())
	if !poll(bounded(t), func() bool {
		_, err = p.Claim(bounded(t), ledger.Snapshot{}, c)
		if !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrAmbiguous) {
			t.Fatalf("claim without etcd: %v", err)
		}
		return errors.Is(err, ledger.ErrUnavailable)
	}) {
		t.Error("a claim without a connection stays ambiguous")
	}
	_, err = p.Advance(bounded(t), s, succeeded(t, s))
	if !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrAmbiguous) {
		t.Fatalf("outcome without etcd: %v", err)
	}
	_, err = p.Read(bounded(t), s.Operation.Key)
	expect(t, "read without etcd", err, ledger.ErrUnavailable)

	etcd, err = embedetcd.Start(bounded(t), cfg)
	ok(t, "start again", err)
	t.Cleanup(func() { ok(t, "close", etcd.Close()) })
	if !poll(bounded(t), func() bool { _, err = p.Read(bounded(t), s.Operation.Key); return err == nil }) {
		t.Fatalf("the ledger does not find back: %v", err)
	}
	if now := p.read(t, s.Operation.Key); now.Revision != s.Revision || !now.Marker.Present {
		t.Errorf("after the restart: %+v, marker %v; want %+v", now.Revision, now.Marker, s.Revision)
	}
	ok(t, "hold", p.session.Hold(bounded(t), longTTL-time.Second))
	if now, live := p.session.Current(); !live || now != guard {
		t.Errorf("after the restart: session %+v, live %v; want %+v", now, live, guard)
	}
	_, err = p.Claim(bounded(t), ledger.Snapshot{}, c)
	ok(t, "the same claim again", err)
	p.advanced(t, s, succeeded(t, s))
}
