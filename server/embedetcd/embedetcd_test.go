package embedetcd_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/server/embedetcd"
)

// limit is how long anything here may take before it counts as hanging.
const limit = 30 * time.Second

func start(t *testing.T, cfg embedetcd.Config) *embedetcd.Server {
	t.Helper()
	s, err := tryStart(t, cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { closeServer(t, s) })
	return s
}

func tryStart(t *testing.T, cfg embedetcd.Config) (*embedetcd.Server, error) {
	t.Helper()
	cfg.Tick = 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return embedetcd.Start(ctx, cfg)
}

func closeServer(t *testing.T, s *embedetcd.Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func newDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "data") // not there yet: Start makes it
}

// Goal: what was acknowledged survives a stop and a start on the same directory.
// Method: put, close, start again, read.
func TestRestartKeepsRecords(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first := start(t, embedetcd.Config{DataDir: dir})
	if _, err := first.Client().Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	closeServer(t, first)

	second := start(t, embedetcd.Config{DataDir: dir})
	got, err := second.Client().Get(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "value" {
		t.Errorf("after a restart: %v, want the value put before", got.Kvs)
	}
}

// Goal: the directory holds secrets-to-be and is nobody else's to read.
// Method: look at its mode after a start made it.
func TestDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	start(t, embedetcd.Config{DataDir: dir})
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("mode %o, want 700", got)
	}
}

// Goal: a second process on one data directory is refused at once, with the
// directory and the holder named, instead of waiting for ever.
// Method: the holder is a member of ours, then an etcd that knows no lock of ours.
func TestLockedDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("by another member of ours", func(t *testing.T) {
		t.Parallel()
		dir := newDir(t)
		start(t, embedetcd.Config{DataDir: dir})
		_, err := tryStart(t, embedetcd.Config{DataDir: dir})
		expect(t, err, embedetcd.ErrLocked, dir, "process "+strconv.Itoa(os.Getpid()))
	})
	t.Run("by an etcd of somebody else", func(t *testing.T) {
		t.Parallel()
		dir := newDir(t)
		closeServer(t, start(t, embedetcd.Config{DataDir: dir}))
		db, err := bbolt.Open(filepath.Join(dir, "member", "snap", "db"), 0o600, &bbolt.Options{Timeout: limit})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = tryStart(t, embedetcd.Config{DataDir: dir})
		expect(t, err, embedetcd.ErrLocked, dir, "another etcd")
	})
}

// Goal: a directory that cannot be written is named.
// Method: a path below a regular file, which no permission makes writable.
func TestUnusableDirectoryIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "data")
	_, err := tryStart(t, embedetcd.Config{DataDir: dir})
	expect(t, err, embedetcd.ErrUnusable, dir)
}

// Goal: an address that is taken, or that others could reach, is refused and
// named, and the directory is free again afterwards.
// Method: listen there first, or ask for an address of another kind.
func TestUnusableAddressIsNamed(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	tcp, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	sockets := shortDir(t)
	socket := filepath.Join(sockets, "taken")
	unix, err := lc.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	file := filepath.Join(sockets, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	dir := newDir(t)
	for name, addr := range map[string]string{
		"a taken port":               tcp.Addr().String(),
		"a taken socket":             "unix:" + socket,
		"a file that is no socket":   "unix:" + file,
		"a path too long for one":    "unix:/" + strings.Repeat("x", 200),
		"an address of all networks": "0.0.0.0:0",
		"a name":                     "localhost:0",
		"no address":                 "2379",
	} {
		_, err := tryStart(t, embedetcd.Config{DataDir: dir, ClientAddr: addr})
		if err == nil {
			t.Fatalf("%s: started", name)
		}
		expect(t, err, embedetcd.ErrAddress, strings.TrimPrefix(addr, "unix:"))
	}
	_, err = tryStart(t, embedetcd.Config{DataDir: dir, PeerAddr: tcp.Addr().String()})
	expect(t, err, embedetcd.ErrAddress, tcp.Addr().String())

	start(t, embedetcd.Config{DataDir: dir, ClientAddr: "127.0.0.1:0", PeerAddr: "127.0.0.1:0"})
}

// Goal: another process reaches the member where Endpoints says.
// Method: an ordinary client over each kind of address.
func TestEndpointsServeOtherProcesses(t *testing.T) {
	t.Parallel()
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	for name, cfg := range map[string]embedetcd.Config{
		"by a socket in the data directory":          {DataDir: newDir(t)},
		"by a socket elsewhere when it lies deep":    {DataDir: deep},
		"by a socket that a dead process left there": {DataDir: newDir(t), ClientAddr: "unix:" + leftover(t)},
		"by a port": {DataDir: newDir(t), ClientAddr: "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, cfg)
			client, err := clientv3.New(clientv3.Config{Endpoints: s.Endpoints(), DialTimeout: limit})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			if _, err := client.Put(ctx, "key", "value"); err != nil {
				t.Fatal(err)
			}
			got, err := s.Client().Get(ctx, "key")
			if err != nil || len(got.Kvs) != 1 {
				t.Errorf("in process: %v, %v; want the value put over %v", got, err, s.Endpoints())
			}
		})
	}
}

// shortDir is a directory whose path leaves room for a socket's name, which
// that of t.TempDir may not.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "acquit-") //nolint:usetesting // too long, see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// leftover makes a socket that nobody listens on any more.
func leftover(t *testing.T) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "left")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Goal: a member that ran full takes writes again by itself once there is
// something to throw away.
// Method: overwrite one large value until etcd refuses, then wait for
// compaction and maintenance to make room, and write.
func TestFullMemberRecovers(t *testing.T) {
	t.Parallel()
	s := start(t, embedetcd.Config{DataDir: newDir(t), QuotaBytes: 4 << 20, CompactEvery: 500 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	value := strings.Repeat("x", 512<<10)
	var err error
	for err == nil {
		_, err = s.Client().Put(ctx, "key", value)
	}
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Fatalf("filling it: %v, want %v", err, rpctypes.ErrNoSpace)
	}
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		_, err = s.Client().Put(ctx, "another", "value")
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after compaction: still %v", err)
		case <-retry.C:
		}
	}
}

// Goal: a plain start and stop say nothing, so that what is said is read.
// Method: collect what reaches the logger.
func TestStartAndStopAreQuiet(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	s := start(t, embedetcd.Config{DataDir: newDir(t), Logger: slog.New(slog.NewTextHandler(&out, nil))})
	closeServer(t, s)
	if got := out.String(); got != "" {
		t.Errorf("logged:\n%s", got)
	}
}

// Goal: Close twice is as good as once.
// Method: do it.
func TestCloseTwice(t *testing.T) {
	t.Parallel()
	s := start(t, embedetcd.Config{DataDir: newDir(t)})
	closeServer(t, s)
	closeServer(t, s)
}

func expect(t *testing.T, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("Start: %v, want %v", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("Start: %q does not name %q", err, w)
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
