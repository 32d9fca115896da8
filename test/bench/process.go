package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = time.Minute
	stopLimit  = 30 * time.Second
)

// process plays a role until it is stopped.
type process struct {
	located

	name   string
	cmd    *exec.Cmd
	hold   io.Closer     // its standard input; closing it ends the process
	log    string        // the file of its standard error
	exited chan struct{} // closed when it has been waited for
}

// launch starts this program in a role, and returns when it is ready.
func launch(ctx context.Context, r role) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: r.name, log: r.Dir + ".log", exited: make(chan struct{})}
	// A file, not a pipe: reading it here would be charged to the side that logs.
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()                                                     // the process has its own
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), self, r.name) // ended by stop, in order
	p.cmd.Stderr, p.cmd.WaitDelay = log, time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the benchmark, which stops its processes in order
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.hold = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", r.name, err)
	}
	ready := make(chan error, 1)
	go func() { // Wait closes out, so it comes after the last read
		defer close(p.exited)
		err := json.NewEncoder(in).Encode(r)
		if err == nil {
			err = json.NewDecoder(out).Decode(&p.located)
		}
		ready <- err
		_, _ = io.Copy(io.Discard, out)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		stopping := p.stop()
		return nil, errors.Join(fmt.Errorf("%s is not ready: %w\n%s", r.name, err, p.said()), stopping)
	}
	return p, nil
}

// stop lets the process drain, or kills it if that takes too long.
func (p *process) stop() error {
	_ = p.hold.Close() // closed already if it has ended
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		_ = p.cmd.Process.Kill() // it may just have ended
		<-p.exited
		return fmt.Errorf("%s had to be killed after %s\n%s", p.name, stopLimit, p.said())
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s\n%s", p.name, p.cmd.ProcessState, p.said())
	}
	return nil
}

// anonymous is the memory of the process that is its own: bytes that are resident
// and not of a file, so without the mapped database of etcd, which the kernel can
// drop at any time.
func (p *process) anonymous() (int64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.name, err)
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("memory of %s: its status has no RssAnon", p.name)
}

// clockTick is the unit of the kernel's times, on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// worked is the time that the process has spent on processors. Unlike its speed
// it hardly depends on what else the machine does.
func (p *process) worked() (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", p.name, err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ") // what is before it may hold blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time of %s: its stat is %q", p.name, raw)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", p.name, err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// tailSize is how much of its log a process that failed is quoted with.
const tailSize = 8 << 10

// said is the end of what the process wrote to its log, in whole lines.
func (p *process) said() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(raw) > tailSize {
		raw = raw[len(raw)-tailSize:]
		raw = raw[bytes.IndexByte(raw, '\n')+1:]
	}
	return string(raw)
}
