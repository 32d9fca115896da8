// Package session is one process life in etcd: a lease, and a key under it
// that says who lives. Every in-flight marker of the process hangs on the
// lease, so markers vanish when the process is gone, at no cost per operation.
//
// It guarantees that Hold promises no more time than etcd granted: the local
// deadline counts from the moment a renewal was sent, so neither a slow answer
// nor a pause of the process can stretch it. A lost session is replaced in the
// background by a new one, which others can tell from the old by the create
// revision of its key.
//
// It is no lock. A process may lose its session without noticing until it asks,
// and whatever must not happen twice has to be guarded by something else.
//
// Source: the etcd API, Lease service (LeaseGrant, LeaseKeepAlive).
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	defaultPrefix = "/acquit/v1"
	defaultTTL    = 15 * time.Second
	minTTL        = time.Second // etcd's leases count in seconds
)

// Config says whose session it is and how long it outlives its process.
type Config struct {
	// Boot names this process life. It must be new at every start. Required.
	Boot payment.BootID
	// Prefix of all keys in etcd. Defaults to /acquit/v1.
	Prefix string
	// TTL is how long the session lives after the last renewal that etcd got: how
	// long others wait for a process that died. At least 1 s; shorter than a stall
	// of the network or the disk, it makes healthy processes lose their session.
	// Defaults to 15 s.
	TTL time.Duration
	// RenewEvery is the time between renewals. Defaults to 4/15 of TTL.
	RenewEvery time.Duration
	// Info tells a person who lists the sessions what this one is.
	Info Info
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Logger says when a session was lost or found again. Defaults to discarding.
	Logger *slog.Logger
}

// Info describes the process that holds a session.
type Info struct {
	Host    string    `json:"host"`
	Version string    `json:"version"`
	Start   time.Time `json:"start"`
}

func (c Config) withDefaults() (Config, error) {
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.TTL == 0 {
		c.TTL = defaultTTL
	}
	if c.RenewEvery == 0 {
		c.RenewEvery = c.TTL * 4 / 15
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Boot == "":
		return c, errors.New("session: no boot id")
	case c.TTL < minTTL:
		return c, fmt.Errorf("session: a TTL of %s is shorter than %s", c.TTL, minTTL)
	case c.RenewEvery <= 0 || c.RenewEvery > c.TTL/2:
		return c, fmt.Errorf("session: renewing every %s does not keep a TTL of %s alive", c.RenewEvery, c.TTL)
	}
	return c, nil
}

// Guard is what a write compares so that it is made only while this very
// session lives, and the lease that its marker hangs on.
type Guard struct {
	Lease   clientv3.LeaseID
	Key     string
	Created int64 // create revision of Key
}

// Session keeps one process life alive in etcd. All methods are safe for
// concurrent use.
type Session struct {
	cfg    Config
	client *clientv3.Client
	key    string
	info   string

	renewing chan struct{} // holds one token: whoever has it speaks to etcd
	lost     chan struct{} // wakes the loop to make a new session

	mu    sync.Mutex
	guard Guard
	until time.Time // the session certainly lives until then
	live  bool      // false once etcd has said that it is gone

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// New starts a session and keeps it alive until Close or End. ctx bounds the
// start only. The client must outlive the session.
//
// Errors: ledger.ErrUnavailable if etcd did not answer; a bad Config.
func New(ctx context.Context, client *clientv3.Client, cfg Config) (*Session, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	info, err := json.Marshal(cfg.Info)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	s := &Session{
		cfg: cfg, client: client, key: cfg.Prefix + "/session/" + string(cfg.Boot), info: string(info),
		renewing: make(chan struct{}, 1), lost: make(chan struct{}, 1),
	}
	if err := s.establish(ctx); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.stopped.Go(func() { s.keep(background) })
	return s, nil
}

// Boot names the process life that the session stands for.
func (s *Session) Boot() payment.BootID { return s.cfg.Boot }

// Current returns what guards a write under the session, and false if the
// session is lost and not yet replaced.
func (s *Session) Current() (Guard, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard, s.live
}

// Hold returns nil if the session certainly lives for another margin, renewing
// it first where the local deadline is nearer than that.
//
// Errors: ledger.ErrSessionLost if it is gone, or if nobody can say and the
// local deadline is over; ledger.ErrUnavailable if it could not be renewed in
// time. A margin that is not shorter than the TTL is never held.
func (s *Session) Hold(ctx context.Context, margin time.Duration) error {
	if s.remaining() >= margin {
		return nil
	}
	select {
	case s.renewing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, ctx.Err())
	}
	defer func() { <-s.renewing }()
	if s.remaining() >= margin { // somebody renewed it meanwhile
		return nil
	}
	if err := s.renew(ctx); err != nil {
		return err
	}
	if left := s.remaining(); left < margin {
		return fmt.Errorf("%w: %s left of a session, %s asked for", ledger.ErrSessionLost, left, margin)
	}
	return nil
}

// Lost tells the session that etcd refused a write because the session of g is
// gone, so that it is replaced now rather than at the next renewal.
func (s *Session) Lost(g Guard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live && s.guard == g {
		s.lose()
	}
}

// lose marks the session as gone; the caller holds mu.
func (s *Session) lose() {
	s.live = false
	select {
	case s.lost <- struct{}{}:
	default: // the loop has been told already
	}
}

// Close stops the renewals and leaves the session to expire: what hangs on it
// stays in flight for others until then.
func (s *Session) Close() {
	s.stop()
	s.stopped.Wait()
}

// End stops the renewals and ends the session at once, and with it every
// in-flight marker of this process. It is for a process that has nothing in
// flight any more. Where etcd does not answer, the session expires by itself.
func (s *Session) End(ctx context.Context) error {
	s.Close()
	s.mu.Lock()
	guard, live := s.guard, s.live
	s.live = false
	s.mu.Unlock()
	if !live {
		return nil
	}
	if _, err := s.client.Revoke(ctx, guard.Lease); err != nil && !gone(err) {
		return fmt.Errorf("%w: ending the session: %w", ledger.ErrUnavailable, err)
	}
	return nil
}

// remaining is how long the session certainly lives. It believes neither the
// monotonic clock, which stands still while a machine sleeps, nor the wall
// clock, which is set back, but the worse of the two.
func (s *Session) remaining() time.Duration {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return -1
	}
	return min(s.until.Sub(now), s.until.Round(0).Sub(now.Round(0)))
}
