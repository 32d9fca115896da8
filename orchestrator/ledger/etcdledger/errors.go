package etcdledger

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"

	"github.com/acquitpay/acquit/orchestrator/ledger"
)

// fate is what an error of a commit says about the commit.
type fate int

const (
	// fateUnknown: it may have been made, or be made yet. The default.
	fateUnknown fate = iota
	// fateRefused: etcd refused the request itself and will refuse it again.
	fateRefused
	// fateBusy: etcd took no notice of this copy; another may fare better.
	fateBusy
	// fateLeaseGone: the lease that a record was to hang on is gone, so nothing was
	// written.
	fateLeaseGone
	// fateNoSpace: etcd is out of space. It says so also of a transaction that it
	// did apply as the first one over its quota, so this alone proves nothing.
	fateNoSpace
)

// classify is the only place that reads etcd's errors of a write. Only what
// etcd itself said counts: a proxy or the transport may answer with any code.
func classify(err error) fate {
	said, ok := errors.AsType[rpctypes.EtcdError](err)
	if !ok {
		return fateUnknown
	}
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return fateLeaseGone
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fateNoSpace
	case errors.Is(err, rpctypes.ErrTooManyRequests):
		return fateBusy // said before the proposal
	}
	switch said.Code() {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated:
		return fateRefused // checked before the proposal or before its first effect
	default: // an outage of etcd is told apart from a lost answer by reading back
		return fateUnknown
	}
}

// connected returns ledger.ErrUnavailable if no connection to etcd exists or is
// being made, so that a request would fail without having left. A client inside
// etcd's own process has none and needs none.
func (l *Ledger) connected() error {
	conn := l.client.ActiveConnection()
	if conn == nil {
		return nil
	}
	switch conn.GetState() {
	case connectivity.TransientFailure, connectivity.Shutdown:
		return fmt.Errorf("%w: no connection to etcd", ledger.ErrUnavailable)
	case connectivity.Idle, connectivity.Connecting, connectivity.Ready:
		return nil
	}
	return nil
}
