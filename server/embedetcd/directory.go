package embedetcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

const (
	lockName   = "acquit.lock"
	socketName = "etcd.sock"
	// socketPathMax is what a unix socket's address holds on Linux, less the
	// closing zero byte; other systems hold a little less.
	socketPathMax = 103
	// fileLockWait is how long another etcd may hold the data file before it is
	// taken for one that stays.
	fileLockWait = 200 * time.Millisecond
	// socketDialLimit is how long a process that serves a socket may take to accept.
	socketDialLimit = time.Second
)

// directory is a data directory that this process alone uses.
type directory struct {
	path    string
	lock    *fileutil.LockedFile
	sockets string // private directory for a socket whose path would be too long; "" if none
}

// openDirectory creates the directory where it is absent and locks it. etcd
// itself would wait for a held lock without end and without a word.
func openDirectory(path string) (*directory, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: no path is configured", ErrUnusable)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, unusable(path, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, unusable(path, err)
	}
	file := filepath.Join(path, lockName)
	lock, err := fileutil.TryLockFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, locked(path, holder(file))
	}
	if err != nil {
		return nil, unusable(path, err)
	}
	d := &directory{path: path, lock: lock}
	if err := errors.Join(d.sign(), d.checkData()); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func locked(path, by string) error {
	return fmt.Errorf("%w: %s is held by %s; stop that process, or give this one a data directory of its own", ErrLocked, path, by)
}

func unusable(path string, err error) error {
	return fmt.Errorf("%w: %s: %w; let this process write there, or give it another data directory", ErrUnusable, path, err)
}

// sign leaves the holder's process id for whoever finds the directory locked.
func (d *directory) sign() error {
	if err := d.lock.Truncate(0); err != nil {
		return unusable(d.path, err)
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return unusable(d.path, err)
	}
	return nil
}

func holder(lockFile string) string {
	raw, err := os.ReadFile(lockFile)
	if pid := strings.TrimSpace(string(raw)); err == nil && pid != "" {
		return "process " + pid
	}
	return "another process"
}

// checkData finds out whether an etcd that knows nothing of our lock holds the
// data file.
func (d *directory) checkData() error {
	file := filepath.Join(d.path, "member", "snap", "db")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: fileLockWait, ReadOnly: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return locked(d.path, "another etcd")
	}
	if err != nil {
		return unusable(d.path, err)
	}
	return db.Close()
}

// clientURL is where the member listens for clients: addr, or a socket of its own.
func (d *directory) clientURL(ctx context.Context, addr string) (url.URL, error) {
	if addr == "" {
		path, err := d.socketPath()
		return url.URL{Scheme: "unix", Path: path}, err
	}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		path, err := freeSocket(ctx, strings.TrimPrefix(path, "//"))
		return url.URL{Scheme: "unix", Path: path}, err
	}
	host, err := loopback(addr)
	return url.URL{Scheme: "http", Host: host}, err
}

// freeSocket returns the absolute path of a socket that may be listened on.
// etcd would remove a file of that name, also from under a process that serves it.
func freeSocket(ctx context.Context, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%w: socket %s: %w", ErrAddress, path, err)
	}
	if len(path) > socketPathMax {
		return "", fmt.Errorf("%w: the socket's path %s has more than %d characters; choose a shorter one", ErrAddress, path, socketPathMax)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return path, nil
	}
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return "", fmt.Errorf("%w: %s is there already and is no socket; choose another path", ErrAddress, path)
	}
	conn, err := (&net.Dialer{Timeout: socketDialLimit}).DialContext(ctx, "unix", path)
	if err != nil {
		return path, nil //nolint:nilerr // nobody answers: the file was left by a process that died
	}
	_ = conn.Close()
	return "", fmt.Errorf("%w: %s is taken; stop what listens there, or choose another path", ErrAddress, path)
}

func (d *directory) socketPath() (string, error) {
	if path := filepath.Join(d.path, socketName); len(path) <= socketPathMax {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "acquit-etcd-") // created with mode 0700
	if err != nil {
		return "", fmt.Errorf("%w: no place for a socket: %w", ErrAddress, err)
	}
	d.sockets = dir
	return filepath.Join(dir, socketName), nil
}

// close gives the directory free. The lock file stays: removing it would let
// two processes hold a lock on two files of one name.
func (d *directory) close() error {
	var err error
	if d.sockets != "" {
		err = os.RemoveAll(d.sockets)
	}
	return errors.Join(err, io.Closer(d.lock).Close())
}

// explain turns an error of etcd's start into one that says what to do.
func explain(err error, dir string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
			return fmt.Errorf("%w: %s is taken; stop what listens there, or choose another address: %w", ErrAddress, op.Addr, err)
		}
		return fmt.Errorf("%w: %w", ErrAddress, err)
	case errors.Is(err, os.ErrPermission):
		return unusable(dir, err)
	}
	return fmt.Errorf("embedded etcd on %s: %w", dir, err)
}
