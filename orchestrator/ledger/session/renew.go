package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/orchestrator/ledger"
)

// inProcessLimit bounds a renewal that goes through no connection. The client
// repeats it without a pause as long as it fails, so it gets little time.
const inProcessLimit = time.Second

// keep renews the session until ctx ends, and replaces it when it is gone.
func (s *Session) keep(ctx context.Context) {
	timer := time.NewTimer(s.cfg.RenewEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.lost:
		}
		timer.Reset(s.turn(ctx))
	}
}

// turn renews or replaces the session once and says when to come back.
func (s *Session) turn(ctx context.Context) time.Duration {
	select {
	case s.renewing <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	defer func() { <-s.renewing }()
	var err error
	if _, live := s.Current(); live {
		err = s.renew(ctx)
	}
	if _, live := s.Current(); !live {
		s.cfg.Logger.WarnContext(ctx, "session lost, starting another", "boot", string(s.cfg.Boot))
		if err = s.establish(ctx); err == nil {
			s.cfg.Logger.InfoContext(ctx, "session started again", "boot", string(s.cfg.Boot))
		}
	}
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "session not renewed", "boot", string(s.cfg.Boot), "error", err)
		return s.cfg.RenewEvery / 4 // several tries fit into what is left of the session
	}
	return s.cfg.RenewEvery
}

// renew asks etcd for another TTL; the caller has the renewing token. The new
// deadline counts from before the request, not from its answer.
func (s *Session) renew(ctx context.Context) error {
	guard, live := s.Current()
	if !live {
		return ledger.ErrSessionLost
	}
	ctx, cancel := context.WithTimeout(ctx, s.requestLimit())
	defer cancel()
	sent := s.cfg.Now()
	ttl, err := s.keepAlive(ctx, guard.Lease)
	switch {
	case err == nil:
		s.extend(sent, ttl)
		return nil
	case gone(err):
		s.Lost(guard)
		return fmt.Errorf("%w: the lease is gone", ledger.ErrSessionLost)
	case s.remaining() <= 0:
		return fmt.Errorf("%w: not renewed in time: %w", ledger.ErrSessionLost, err)
	}
	return fmt.Errorf("%w: renewing the session: %w", ledger.ErrUnavailable, err)
}

func (s *Session) extend(sent time.Time, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = sent.Add(min(ttl, s.cfg.TTL))
}

// requestLimit is how long one request may take, so that several fit into a TTL.
func (s *Session) requestLimit() time.Duration { return s.cfg.TTL / 3 }

// keepAlive renews a lease once. The client's own KeepAliveOnce repeats a
// failed renewal without a pause, which over a broken connection burns a
// processor, so there the stream is used directly.
func (s *Session) keepAlive(ctx context.Context, id clientv3.LeaseID) (time.Duration, error) {
	conn := s.client.ActiveConnection()
	if conn != nil {
		return keepAliveOver(ctx, conn, id)
	}
	ctx, cancel := context.WithTimeout(ctx, inProcessLimit)
	defer cancel()
	resp, err := s.client.KeepAliveOnce(ctx, id)
	if err != nil {
		return 0, err
	}
	return time.Duration(resp.TTL) * time.Second, nil
}

func keepAliveOver(ctx context.Context, conn grpc.ClientConnInterface, id clientv3.LeaseID) (time.Duration, error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	stream, err := etcdserverpb.NewLeaseClient(conn).LeaseKeepAlive(ctx)
	if err != nil {
		return 0, rpctypes.Error(err)
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return 0, rpctypes.Error(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		return 0, rpctypes.Error(err)
	}
	if resp.TTL <= 0 {
		return 0, rpctypes.ErrLeaseNotFound
	}
	return time.Duration(resp.TTL) * time.Second, nil
}

// gone reports that etcd knows no such lease (any more).
func gone(err error) bool { return errors.Is(err, rpctypes.ErrLeaseNotFound) }

// establish grants a lease and puts the session's key under it.
func (s *Session) establish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.TTL)
	defer cancel()
	sent := s.cfg.Now()
	lease, err := s.client.Grant(ctx, int64((s.cfg.TTL+time.Second-1)/time.Second))
	if err != nil {
		return fmt.Errorf("%w: granting a lease: %w", ledger.ErrUnavailable, err)
	}
	created, err := s.announce(ctx, lease.ID)
	if err != nil {
		return fmt.Errorf("%w: starting a session: %w", ledger.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guard = Guard{Lease: lease.ID, Key: s.key, Created: created}
	s.until = sent.Add(min(time.Duration(lease.TTL)*time.Second, s.cfg.TTL))
	s.live = true
	return nil
}

// announce puts the session's key under the lease and returns the key's create
// revision.
func (s *Session) announce(ctx context.Context, lease clientv3.LeaseID) (int64, error) {
	resp, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(s.key), "=", 0)).
		Then(clientv3.OpPut(s.key, s.info, clientv3.WithLease(lease))).
		Else(clientv3.OpGet(s.key)).
		Commit()
	if err != nil {
		return 0, err
	}
	if resp.Succeeded {
		return resp.Header.Revision, nil
	}
	// A start whose answer got lost left the key under a lease that nobody
	// renews. Nothing hangs on it but the key, so it may go now.
	for _, kv := range resp.Responses[0].GetResponseRange().Kvs {
		if _, err := s.client.Revoke(ctx, clientv3.LeaseID(kv.Lease)); err != nil && !gone(err) {
			return 0, err
		}
	}
	return 0, errors.New("an unfinished start of this session was in the way and has been removed")
}
