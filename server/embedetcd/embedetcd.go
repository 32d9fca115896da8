// Package embedetcd runs one etcd member inside this process: the ledger's
// store when no cluster is configured. It is the only importer of the etcd
// server.
//
// It guarantees that a write is on disk before it is acknowledged (fsync is
// always on), that two processes never share a data directory, that old
// revisions are compacted away and freed space is given back, and that nothing
// but loopback or a unix socket is listened on, because the member neither
// authenticates nor encrypts.
//
// It does not form a cluster and takes no backups. A deployment that must
// survive the loss of a machine runs etcd as a cluster of its own and gives
// acquit its endpoints.
package embedetcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
)

// Errors that a start can meet; what is returned wraps them and says what to do.
var (
	// ErrLocked says that another process runs on the data directory.
	ErrLocked = errors.New("data directory in use")
	// ErrUnusable says that the data directory cannot be written.
	ErrUnusable = errors.New("data directory not usable")
	// ErrAddress says that an address is taken or is not one to listen on.
	ErrAddress = errors.New("address not usable")
)

const (
	defaultQuota   = 8 << 30
	defaultCompact = 30 * time.Second
	defaultTick    = 20 * time.Millisecond
	electionTicks  = 10
	// startLimit bounds the wait for the member to elect itself. Replaying a
	// long log takes seconds, so it is generous: ctx is the usual limit.
	startLimit = time.Minute
)

// Config says where the member keeps its data and where it is reached.
type Config struct {
	// DataDir holds the member's data and its lock file. It is created with mode
	// 0700 where it is absent; its parents too. Required.
	DataDir string
	// ClientAddr is where other processes of this machine reach the member:
	// "unix:PATH", or a loopback "host:port", where port 0 takes a free one.
	// Defaults to a unix socket in DataDir. This process needs none of them.
	ClientAddr string
	// PeerAddr is a loopback "host:port" for other members. Defaults to none: a
	// single member has no peers, and a peer port is a way in.
	PeerAddr string
	// QuotaBytes is the size of the data file at which etcd takes no more
	// writes. Defaults to 8 GiB, the most that etcd's makers suggest.
	QuotaBytes int64
	// CompactEvery is how often revisions older than one such period are dropped.
	// Shorter than the time a watcher needs to attach, it makes watchers start
	// over. Defaults to 30 s.
	CompactEvery time.Duration
	// Tick is the heartbeat of the consensus; an election takes ten. A single
	// member has nobody to lose an election to, so it may be short: it bounds the
	// start-up time. Defaults to 20 ms.
	Tick time.Duration
	// Logger takes what etcd warns of. Defaults to discarding it.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.QuotaBytes == 0 {
		c.QuotaBytes = defaultQuota
	}
	if c.CompactEvery == 0 {
		c.CompactEvery = defaultCompact
	}
	if c.Tick == 0 {
		c.Tick = defaultTick
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server is a running member. All methods are safe for concurrent use.
type Server struct {
	etcd      *embed.Etcd
	closing   *atomic.Bool
	client    *clientv3.Client
	endpoints []string
	dir       *directory
	logger    *slog.Logger

	stop    context.CancelFunc // ends maintenance
	stopped sync.WaitGroup
	once    sync.Once
}

// Start runs a member and returns once it takes writes. ctx bounds the start
// only; Close ends the member.
//
// Errors: ErrLocked, ErrUnusable and ErrAddress, each with the directory or
// address and what to do about it; ctx's.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	dir, err := openDirectory(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	listen, err := dir.clientURL(ctx, cfg.ClientAddr)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	closing := new(atomic.Bool)
	e, err := launch(ctx, cfg, dir, listen, closing)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{
		etcd: e, closing: closing, client: v3client.New(e.Server), endpoints: endpoints(e, listen),
		dir: dir, logger: cfg.Logger, stop: stop,
	}
	s.stopped.Go(func() { s.maintain(background, cfg.CompactEvery, cfg.QuotaBytes) })
	return s, nil
}

// launch starts etcd and waits until it serves.
func launch(ctx context.Context, cfg Config, dir *directory, listen url.URL, closing *atomic.Bool) (*embed.Etcd, error) {
	ec, err := etcdConfig(cfg, dir, listen)
	if err != nil {
		return nil, err
	}
	ec.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(&slogCore{handler: cfg.Logger.Handler(), closing: closing}))
	e, err := embed.StartEtcd(ec)
	if err != nil {
		return nil, explain(err, cfg.DataDir)
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case err = <-e.Err():
	case <-e.Server.StopNotify():
		err = errors.New("etcd stopped while starting")
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = fmt.Errorf("no leader after %s", startLimit)
	}
	closing.Store(true)
	e.Close()
	return nil, fmt.Errorf("embedded etcd on %s: %w", cfg.DataDir, err)
}

func etcdConfig(cfg Config, dir *directory, listen url.URL) (*embed.Config, error) {
	ec := embed.NewConfig()
	ec.Name = "acquit"
	ec.Dir = dir.path
	ec.UnsafeNoFsync = false // an acknowledged write is on disk: the promise rests on it
	ec.QuotaBackendBytes = cfg.QuotaBytes
	ec.AutoCompactionMode = embed.CompactorModePeriodic
	ec.AutoCompactionRetention = cfg.CompactEvery.String()
	ec.TickMs = uint(max(1, cfg.Tick.Milliseconds()))
	ec.ElectionMs = ec.TickMs * electionTicks
	ec.EnableGRPCGateway = false
	ec.ListenClientUrls, ec.AdvertiseClientUrls = []url.URL{listen}, []url.URL{listen}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"} // a name only, unless PeerAddr is set
	ec.ListenPeerUrls = nil
	if cfg.PeerAddr != "" {
		host, err := loopback(cfg.PeerAddr)
		if err != nil {
			return nil, fmt.Errorf("peer address: %w", err)
		}
		peer.Host = host
		ec.ListenPeerUrls = []url.URL{peer}
	}
	ec.AdvertisePeerUrls = []url.URL{peer}
	ec.InitialCluster = ec.InitialClusterFromName(ec.Name)
	return ec, nil
}

// endpoints are the addresses as they came to be: port 0 has become a real one.
func endpoints(e *embed.Etcd, listen url.URL) []string {
	if listen.Scheme == "unix" {
		return []string{listen.String()}
	}
	var all []string
	for _, l := range e.Clients {
		all = append(all, (&url.URL{Scheme: listen.Scheme, Host: l.Addr().String()}).String())
	}
	return all
}

// Client is a client inside this process: no socket and no copy between it and
// the member. It lives until Close; the caller does not close it.
func (s *Server) Client() *clientv3.Client { return s.client }

// Endpoints are what another process of this machine gives to its etcd client.
func (s *Server) Endpoints() []string { return append([]string(nil), s.endpoints...) }

// Err delivers what makes the member unable to go on, such as a listener that
// broke. It is closed when the member has stopped.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the member and frees the data directory. Everything acknowledged
// is on disk already. Closing again does nothing.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		s.stop()
		s.stopped.Wait()
		_ = s.client.Close() // reports only that its context was cancelled
		s.closing.Store(true)
		s.etcd.Close()
		err = s.dir.close()
	})
	return err
}

// loopback returns addr if it is a host and port that only this machine reaches.
func loopback(addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("%w: %q is no host:port: %w", ErrAddress, addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("%w: %q is not a loopback address, and the embedded etcd neither authenticates nor encrypts; "+
			"use 127.0.0.1, a unix socket, or an etcd cluster with TLS", ErrAddress, addr)
	}
	return addr, nil
}
