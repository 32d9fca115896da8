package etcdledger

import (
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
)

const (
	// A connection that died without a word is noticed within the sum of the
	// two; etcd refuses to be asked more often than every 5 s.
	keepAliveTime    = 6 * time.Second
	keepAliveTimeout = 3 * time.Second
	// reconnectMax is the longest wait before etcd is tried again. gRPC's own
	// two minutes would outlive every session.
	reconnectMin = 50 * time.Millisecond
	reconnectMax = time.Second
)

// Endpoints says where an etcd cluster is and how it is to be believed.
type Endpoints struct {
	// Addresses of the members: https://host:port, or http or unix:// on this machine.
	Addresses []string
	// Credentials authenticate the members, and this client to them, on every
	// connection. Nil is for loopback and unix sockets only.
	Credentials credentials.TransportCredentials
	// Username and Password, where the cluster asks for them.
	Username, Password string
}

// Dial makes a client that suits a ledger: it notices a dead connection, comes
// back soon after an outage, and leaves it to the ledger to say what failed. It
// returns without waiting for a connection; the caller closes it last.
func Dial(e Endpoints) (*clientv3.Client, error) {
	options := []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: reconnectMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMax},
		MinConnectTimeout: defaultRequestLimit,
	})}
	if e.Credentials != nil { // these go over what etcd's client takes from the addresses
		options = append(options, grpc.WithTransportCredentials(e.Credentials))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: e.Addresses, Username: e.Username, Password: e.Password,
		DialTimeout:          defaultRequestLimit,
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		DialOptions:          options,
		Logger:               zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("etcdledger: etcd client: %w", err)
	}
	return client, nil
}
