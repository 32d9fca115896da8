package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// side is one of the two that are compared: its processes, its provider, and
// what its callers were told.
type side struct {
	*process

	conn     *grpc.ClientConn
	etcd     *clientv3.Client // looks at its etcd
	provider *simulator.Simulator
	parts    []func() error // what ends it, to be called in reverse

	said   int    // effects that callers were told of
	unsure int    // calls of which nobody knows
	sample []call // to be asked again
}

// newSide starts a side in a directory of its own.
func newSide(ctx context.Context, dir, place, role string, writes ledgerWrites) (*side, error) {
	s := &side{}
	if err := s.start(ctx, dir, place, role, writes); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *side) start(ctx context.Context, dir, place, name string, writes ledgerWrites) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s.parts = append(s.parts, func() error { return os.RemoveAll(dir) })
	r := role{name: name, Dir: filepath.Join(dir, "data"), Ledger: writes}
	var err error
	if r.Provider, err = s.startProvider(ctx, filepath.Join(dir, "provider")); err != nil {
		return err
	}
	if place == placeProcess {
		etcd, err := launch(ctx, role{name: roleEtcd, Dir: filepath.Join(dir, "etcd")})
		if err != nil {
			return err
		}
		s.parts = append(s.parts, etcd.stop)
		r.Etcd = etcd.Etcd
	}
	if s.process, err = launch(ctx, r); err != nil {
		return err
	}
	s.parts = append(s.parts, s.stop)
	if len(r.Etcd) == 0 {
		r.Etcd = s.Etcd
	}
	if s.etcd, err = etcdledger.Dial(etcdledger.Endpoints{Addresses: r.Etcd}); err != nil {
		return err
	}
	s.parts = append(s.parts, s.etcd.Close)
	s.conn, err = grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		return err
	}
	s.parts = append(s.parts, s.conn.Close)
	return nil
}

// startProvider serves a simulated provider in this process.
func (s *side) startProvider(ctx context.Context, dir string) (url string, err error) {
	if s.provider, err = simulator.Open(simulator.Config{Dir: dir}); err != nil { //nolint:contextcheck // it outlives its start, until close
		return "", err
	}
	s.parts = append(s.parts, s.provider.Close)
	var listener net.ListenConfig
	bound, err := listener.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.provider.Serve(serving, bound) }()
	s.parts = append(s.parts, func() error {
		stop()
		return <-ended
	})
	return "http://" + bound.Addr().String(), nil
}

// close ends everything, last things first.
func (s *side) close() error {
	var all error
	for len(s.parts) > 0 {
		last := len(s.parts) - 1
		all = errors.Join(all, s.parts[last]())
		s.parts = s.parts[:last]
	}
	return all
}

// standing is where an etcd is.
type standing struct {
	index uint64 // of raft: how many proposals there were
	bytes int64  // of the database that are in use
}

// stands asks where the side's etcd is.
func (s *side) stands(ctx context.Context) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	status, err := s.etcd.Status(ctx, s.etcd.Endpoints()[0])
	if err != nil {
		return standing{}, fmt.Errorf("etcd of %s: %w", s.name, err)
	}
	return standing{index: status.RaftIndex, bytes: status.DbSizeInUse}, nil
}

// compactLimit bounds dropping the history of a cell.
const compactLimit = time.Minute

// compact drops all history, so that what is in use is what is alive.
func (s *side) compact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, compactLimit)
	defer cancel()
	now, err := s.etcd.Get(ctx, ledgerPrefix, clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("etcd of %s: %w", s.name, err)
	}
	_, err = s.etcd.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("etcd of %s: %w", s.name, err)
	}
	return nil
}

// take keeps what the callers of a crew were told.
func (s *side) take(c *crew) error {
	var first error
	for _, one := range c.callers {
		s.said += one.effects
		s.unsure += one.failed
		s.sample = append(s.sample, one.sample...)
		if first == nil {
			first = one.err
		}
	}
	return first
}
