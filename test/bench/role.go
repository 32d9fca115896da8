package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/acquitpay/acquit/server"
	"github.com/acquitpay/acquit/server/embedetcd"
)

// The roles that this program plays in processes of their own.
const (
	roleAcquit = "acquit"
	roleEtcd   = "etcd"
	roleFloor  = "floor"
)

// role is what one process is told, as JSON on its standard input.
type role struct {
	name string
	// Dir is its data directory.
	Dir string `json:"dir"`
	// Provider is the base URL of the simulated provider.
	Provider string `json:"provider,omitempty"`
	// Etcd are the endpoints of an etcd process; none: etcd is embedded.
	Etcd []string `json:"etcd,omitempty"`
	// Ledger is what the floor writes.
	Ledger ledgerWrites `json:"ledger,omitempty"`
}

// located is what a process says of itself, once it is ready.
type located struct {
	GRPC string   `json:"grpc,omitempty"` // its API
	Ops  string   `json:"ops,omitempty"`  // of acquit: metrics and profiles
	Etcd []string `json:"etcd,omitempty"` // its own etcd, if it has one
}

func roleOf(args []string) (name string, ok bool) {
	if len(args) != 1 {
		return "", false
	}
	switch args[0] {
	case roleAcquit, roleEtcd, roleFloor:
		return args[0], true
	}
	return "", false
}

// play does what a role does until in ends: whoever started the process holds
// the other end, so it does not outlive a benchmark that was killed.
func play(ctx context.Context, name string, in io.Reader, out, log io.Writer) error {
	r := role{name: name}
	told := json.NewDecoder(in)
	if err := told.Decode(&r); err != nil {
		return fmt.Errorf("%s: its role: %w", name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in) // however it ends, it is over
	}()
	ready := func(l located) error { return json.NewEncoder(out).Encode(l) }
	logger := slog.New(slog.NewTextHandler(log, nil))
	switch name {
	case roleAcquit:
		return r.acquit(ctx, log, ready)
	case roleEtcd:
		return r.etcd(ctx, logger, ready)
	}
	return r.floor(ctx, logger, ready)
}

// acquit serves as `acquit serve` does, with its default configuration but for
// where things are.
func (r role) acquit(ctx context.Context, log io.Writer, ready func(located) error) error {
	c := server.Default()
	c.DataDir = r.Dir
	c.GRPCAddr, c.HTTPAddr, c.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Ledger.Etcd.Endpoints = r.Etcd
	c.Accounts[0].BaseURL = r.Provider
	var told error
	err := server.Run(ctx, c, server.Process{Stdout: io.Discard, Stderr: log, Ready: func(a server.Addresses) {
		l := located{GRPC: a.GRPC, Ops: a.Ops}
		if len(r.Etcd) == 0 {
			l.Etcd = []string{"unix://" + filepath.Join(r.Dir, "etcd", "etcd.sock")} // embedetcd's default
		}
		told = ready(l)
	}})
	return errors.Join(err, told)
}

// etcd runs one member as `acquit etcd` does.
func (r role) etcd(ctx context.Context, logger *slog.Logger, ready func(located) error) error {
	member, err := embedetcd.Start(ctx, embedetcd.Config{DataDir: r.Dir, ClientAddr: "127.0.0.1:0", Logger: logger})
	if err != nil {
		return err
	}
	if err := ready(located{Etcd: member.Endpoints()}); err != nil {
		return errors.Join(err, member.Close())
	}
	select {
	case err = <-member.Err():
	case <-ctx.Done():
	}
	return errors.Join(err, member.Close())
}
