package etcdledger_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/server/embedetcd"
)

// remembered is what the generation file says.
type remembered struct {
	Ledger     string `json:"ledger"`
	Generation int64  `json:"generation"`
	Revision   int64  `json:"revision"`
}

func inFile(t *testing.T, file string) remembered {
	t.Helper()
	raw, err := os.ReadFile(file)
	ok(t, "read", err)
	var r remembered
	ok(t, "unmarshal", json.Unmarshal(raw, &r))
	return r
}

func toFile(t *testing.T, file string, r remembered) {
	t.Helper()
	raw, err := json.Marshal(r)
	ok(t, "marshal", err)
	ok(t, "write", os.WriteFile(file, raw, 0o600))
}

// startIn starts an etcd of its own on a directory, to be closed by hand.
func startIn(t *testing.T, dir string) *embedetcd.Server {
	t.Helper()
	etcd, err := embedetcd.Start(bounded(t), embedetcd.Config{DataDir: dir, Tick: 10 * time.Millisecond})
	ok(t, "start", err)
	return etcd
}

// openedOn opens a ledger on an etcd and closes it again.
func openedOn(t *testing.T, etcd *embedetcd.Server, file string) error {
	t.Helper()
	s, err := session.New(bounded(t), etcd.Client(), session.Config{Boot: payment.BootID(newKey()), Prefix: "/p", TTL: longTTL})
	ok(t, "session.New", err)
	defer s.Close()
	l, err := etcdledger.Open(bounded(t), etcdledger.Config{Client: etcd.Client(), Session: s, Prefix: "/p", GenerationFile: file})
	if err == nil {
		l.Close()
	}
	return err
}

// Goal: a snapshot that was taken after the ledger was last opened, and is
// restored later, is noticed, though the ledger's own count says nothing: what
// was written in between is lost, and its effects exist.
// Method: etcd's directory is copied, the ledger goes on, and the copy is put in
// its place; the ledger was closed in order, or crashed once the status poll had
// seen how far it was. In the second case no number of starts makes it good.
func TestRestoredSnapshotIsRefused(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]bool{"closed in order": false, "crashed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, file := t.TempDir(), newFile(t)
			data, copied := filepath.Join(root, "data"), filepath.Join(root, "copy")
			cfg := etcdledger.Config{GenerationFile: file, StatusEvery: 5 * time.Millisecond}
			if crash {
				cfg.RememberEvery = time.Millisecond
			}
			etcd := startIn(t, data)
			p := newProcess(t, setup{prefix: "/p", dial: etcd.Endpoints(), ledger: cfg})
			lost := p.claimed(t)
			ok(t, "stop", etcd.Close())
			ok(t, "copy", os.CopyFS(copied, os.DirFS(data)))

			etcd = startIn(t, data)
			if !poll(bounded(t), func() bool { _, err := p.Read(bounded(t), lost.Operation.Key); return err == nil }) {
				t.Fatal("the ledger does not find back")
			}
			for range 5 {
				lost = p.claimed(t)
			}
			if crash {
				if !poll(bounded(t), func() bool { return inFile(t, file).Revision >= lost.Revision.Operation }) {
					t.Fatalf("the file says %+v, and the ledger is at %d", inFile(t, file), lost.Revision.Operation)
				}
				p.crash(t)
			} else {
				p.Close()
			}
			ok(t, "stop", etcd.Close())

			etcd = startIn(t, copied)
			t.Cleanup(func() { ok(t, "close", etcd.Close()) })
			err := openedOn(t, etcd, file)
			refused(t, err, etcdledger.ErrOldSnapshot, file, "remove that file")
			for crash && revisionOf(t, etcd.Client()) <= inFile(t, file).Revision+10 {
				refused(t, openedOn(t, etcd, file), etcdledger.ErrOldSnapshot) // being refused does not make it newer
			}
			ok(t, "remove", os.Remove(file))
			ok(t, "open after a person decided", openedOn(t, etcd, file))
		})
	}
}

// crash keeps a process from writing its generation file when it is closed.
func (p *process) crash(t *testing.T) {
	t.Helper()
	file := p.file
	before, err := os.ReadFile(file)
	ok(t, "read", err)
	p.Close()
	ok(t, "write", os.WriteFile(file, before, 0o600))
}

func revisionOf(t *testing.T, c *clientv3.Client) int64 {
	t.Helper()
	resp, err := c.Get(bounded(t), "/none")
	ok(t, "get", err)
	return resp.Header.Revision
}

// Goal: an etcd that is behind what the file remembers is refused, with both
// numbers, and a file that is older than this memory is still read.
// Method: files written by hand.
func TestRememberedRevision(t *testing.T) {
	t.Parallel()
	prefix, file := newPrefix(), newFile(t)
	ok(t, "open", opened(t, prefix, file))
	was := inFile(t, file)
	if was.Revision == 0 || was.Revision > revisionOf(t, shared.Client()) {
		t.Fatalf("the file says %+v at revision %d", was, revisionOf(t, shared.Client()))
	}
	ahead := was
	ahead.Revision += 1 << 40
	toFile(t, file, ahead)
	refused(t, opened(t, prefix, file), etcdledger.ErrOldSnapshot, file, "is at revision", "remembers 1099511")
	if now := inFile(t, file); now != ahead {
		t.Errorf("a refused ledger left %+v, want %+v", now, ahead)
	}
	old := was
	ok(t, "write", os.WriteFile(file, []byte(`{"ledger":"`+old.Ledger+`","generation":1}`+"\n"), 0o600))
	ok(t, "open with a file of before", opened(t, prefix, file))
	if now := inFile(t, file); now.Generation != was.Generation+1 || now.Revision < was.Revision {
		t.Errorf("after a file of before: %+v, after %+v", now, was)
	}
}

// Goal: the file is written as seldom as said while the ledger is open, and when
// it is closed in any case.
// Method: writes go on through many status polls.
func TestRememberedSeldom(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	p := newProcess(t, setup{prefix: newPrefix(), ledger: etcdledger.Config{GenerationFile: file, StatusEvery: 5 * time.Millisecond}})
	first := inFile(t, file)
	for range 5 {
		p.claimed(t)
		p.status.known(bounded(t))
	}
	if now := inFile(t, file); now != first {
		t.Errorf("within a minute the file went from %+v to %+v", first, now)
	}
	s := p.claimed(t)
	p.Close()
	if now := inFile(t, file); now.Revision < s.Revision.Operation || now.Generation != first.Generation {
		t.Errorf("after the end the file says %+v, want at least revision %d", now, s.Revision.Operation)
	}
}

// Goal: processes that share the file forget nothing of each other, and none
// writes into the file of another ledger.
// Method: two on one file, the earlier one closed last; then a file that changed hands.
func TestRememberedTogether(t *testing.T) {
	t.Parallel()
	prefix, file := newPrefix(), newFile(t)
	first := newProcess(t, setup{prefix: prefix, ledger: etcdledger.Config{GenerationFile: file}})
	second := newProcess(t, setup{prefix: prefix, ledger: etcdledger.Config{GenerationFile: file}})
	second.claimed(t)
	second.Close()
	want := inFile(t, file)
	first.claimed(t)
	first.Close()
	if now := inFile(t, file); now.Generation != want.Generation || now.Generation != 2 || now.Revision <= want.Revision {
		t.Errorf("closed one after the other: %+v, then %+v", want, now)
	}

	third := newProcess(t, setup{prefix: prefix, ledger: etcdledger.Config{GenerationFile: file}})
	foreign := remembered{Ledger: "another", Generation: 7, Revision: 8}
	toFile(t, file, foreign)
	third.claimed(t)
	third.Close()
	if now := inFile(t, file); now != foreign {
		t.Errorf("the file of another ledger was overwritten with %+v", now)
	}
}

// Goal: an etcd that is set back under a running ledger is told of, and what the
// file remembers is kept, so that the next start is refused.
// Method: the ledger's own count is set back while the status is polled.
func TestSetBackWhileRunning(t *testing.T) {
	t.Parallel()
	prefix, file := newPrefix(), newFile(t)
	log := &lines{}
	for range 3 {
		ok(t, "open", opened(t, prefix, file))
	}
	p := newProcess(t, setup{prefix: prefix, ledger: etcdledger.Config{
		GenerationFile: file, StatusEvery: 5 * time.Millisecond, RememberEvery: time.Millisecond, Logger: log.logger(),
	}})
	put(t, prefix+"/meta/generation", "1")
	if !poll(bounded(t), func() bool { p.claimed(t); return strings.Contains(log.text(), "ledger older than it was") }) {
		t.Fatalf("nothing was said but: %s", log.text())
	}
	p.Close()
	refused(t, opened(t, prefix, file), etcdledger.ErrOldSnapshot, "was opened 1 times")
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
