//go:build linux

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startLimit bounds how long a process may take until it says it is ready. It
// is generous: the speed of a start is a test of its own.
const startLimit = patience

// process is one acquit of this test. Whatever the test does to it, it is gone
// when the test is.
type process struct {
	name    string
	cmd     *exec.Cmd
	stdout  *output
	stderr  *output
	started time.Time
	exited  chan struct{} // closed when the process has been waited for
}

// start runs program, an acquit, with arguments in an empty directory and, beside a bare
// environment, with environ. Nothing of the environment of the test gets in: a
// developer's ACQUIT_ variables would change what is tested.
func start(t *testing.T, program, name string, environ []string, args ...string) *process {
	t.Helper()
	if err := sourcesSeen(); err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, cmd: exec.Command(program, args...), stdout: newOutput(), stderr: newOutput(), exited: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{"HOME=" + p.cmd.Dir, "TMPDIR=" + t.TempDir()}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.WaitDelay = time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	running := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the starting thread ends, so it must last
		// as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.started = time.Now()
		err := p.cmd.Start()
		running <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in ProcessState
			close(p.exited)
		}
	}()
	if err := <-running; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() { p.bury(t) })
	return p
}

// bury ends the process and, if the test failed, shows what it said.
func (p *process) bury(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
	default:
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // fails if it has just ended
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	if strings.Contains(p.stderr.String(), "WARNING: DATA RACE") {
		t.Errorf("%s found a data race", p.name)
	}
	if t.Failed() {
		t.Logf("%s (pid %d, %v)\n%s%s", p.name, p.cmd.Process.Pid, p.cmd.ProcessState, p.stdout.tail(), p.stderr.tail())
	}
}

// signal sends a signal.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s %s: %v", p.name, s, err)
	}
}

// kill ends the process as a crash would, and returns when it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.awaitKilled(t)
}

// pause stops every thread of the process, and returns when they stand still.
func (p *process) pause(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	p.awaitPaused(t)
}

// proceed undoes a pause, the process' own too.
func (p *process) proceed(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGCONT)
}

// awaitPaused waits until the process has stopped itself or was stopped.
func (p *process) awaitPaused(t *testing.T) {
	t.Helper()
	eventually(t, patience, p.name+" stands still", func() error {
		state, err := p.state()
		if err == nil && state != "T" {
			err = fmt.Errorf("its state is %s", state)
		}
		return err
	})
}

// awaitKilled waits until the process is dead of SIGKILL. A point where it kills
// itself may lie behind the end of somebody's session.
func (p *process) awaitKilled(t *testing.T) {
	t.Helper()
	p.awaitExit(t, patience)
	if s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		t.Fatalf("%s ended with %v, want it killed", p.name, p.cmd.ProcessState)
	}
}

// awaitExit waits until the process has ended and returns its exit code.
func (p *process) awaitExit(t *testing.T, limit time.Duration) int {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		t.Fatalf("%s is still running after %s", p.name, limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

// alive fails the test if the process has ended.
func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		t.Fatalf("%s has ended: %v", p.name, p.cmd.ProcessState)
	default:
	}
}

// state is the kernel's letter for what the process does.
func (p *process) state() (string, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	letter, _, _ := strings.Cut(rest, " ")
	return letter, nil
}

// line waits for a line of the standard output that has a word, and returns it.
func (p *process) line(t *testing.T, word string) string {
	t.Helper()
	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	for {
		found, more := p.stdout.find(word)
		if found != "" {
			return found
		}
		select {
		case <-more:
		case <-p.exited:
			if found, _ = p.stdout.find(word); found != "" {
				return found
			}
			t.Fatalf("%s ended before it said %q: %v", p.name, word, p.cmd.ProcessState)
		case <-timer.C:
			t.Fatalf("%s did not say %q within %s", p.name, word, startLimit)
		}
	}
}

// output collects what a process writes. Safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced at every write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// find returns the first whole line with a word, or what tells of the next write.
func (o *output) find(word string) (line string, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for l := range strings.Lines(o.text.String()) {
		if strings.Contains(l, word) && strings.HasSuffix(l, "\n") {
			return strings.TrimSuffix(l, "\n"), nil
		}
	}
	return "", o.more
}

// tail is the end of it, where the interesting part is.
func (o *output) tail() string {
	const most = 16 << 10
	s := o.String()
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}

// errNotYet is what a condition returns that has nothing more to say.
var errNotYet = errors.New("not yet")

// eventually polls a condition until it is nil, or fails the test with its last
// error.
func eventually(t *testing.T, limit time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s: %v", limit, what, err)
		}
	}
}
