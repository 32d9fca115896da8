//go:build linux

package faults

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/credentials"

	"github.com/acquitpay/acquit/test/authority"
)

// trio is a cluster of three etcd members, each a process with a loopback address
// of its own, that let in peers and clients of one authority only.
type trio struct {
	authority   *authority.Authority
	credentials credentials.TransportCredentials
	members     []*etcdMember
	audit       func(*testing.T) // of what they hold, before one of them is gone
}

// etcdMember is one of them, and can be brought back where it was.
type etcdMember struct {
	*process
	name, client, peer, dir string // client and peer are host:port
	status                  *clientv3.Client
}

// startTrio starts three members and waits until they have a leader.
func startTrio(t *testing.T) *trio {
	t.Helper()
	c := &trio{authority: authority.New(t)}
	hosts := []string{"127.0.1.1", "127.0.1.2", "127.0.1.3"}   // other tests are on 127.0.0.1 and take no port of these
	c.authority.Sign(t, "etcd", append(hosts, "127.0.0.1")...) // the last is where a member's own connections come from, which etcd checks
	c.authority.Sign(t, "client")
	c.credentials = credentials.NewTLS(c.authority.Client(t, "client"))
	for n, host := range hosts {
		m := &etcdMember{name: fmt.Sprintf("etcd-%d", n), client: freePort(t, host), peer: freePort(t, host), dir: t.TempDir()}
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{"https://" + m.client}, TLS: c.authority.Client(t, "client"), Logger: zap.NewNop(), DialTimeout: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		m.status = client
		c.members = append(c.members, m)
	}
	for _, m := range c.members {
		c.launch(t, m)
	}
	for _, m := range c.members {
		m.line(t, "ready")
	}
	return c
}

// launch starts a member on whatever it has recorded.
func (c *trio) launch(t *testing.T, m *etcdMember) {
	t.Helper()
	var peers []string
	for _, p := range c.members {
		peers = append(peers, p.name+"=https://"+p.peer)
	}
	m.process = start(t, member, m.name, nil, "-name", m.name, "-dir", m.dir, "-client", "https://"+m.client, "-peer", "https://"+m.peer,
		"-cluster", strings.Join(peers, ","), "-certificates", c.authority.Path(""))
}

// restart brings a member back and waits until it is one of three again.
func (c *trio) restart(t *testing.T, m *etcdMember) {
	t.Helper()
	c.launch(t, m)
	t.Cleanup(func() { c.audit(t) })
	m.line(t, "ready")
}

// roll stops a member as an orchestrator would, and brings it back.
func (c *trio) roll(t *testing.T, m *etcdMember) {
	t.Helper()
	m.signal(t, syscall.SIGTERM)
	if code := m.awaitExit(t, patience); code != 0 {
		t.Errorf("%s ended with %d, want 0", m.name, code)
	}
	c.restart(t, m)
}

// leader waits until the members agree on one of them, and returns it first and
// the others after it.
func (c *trio) leader(t *testing.T) []*etcdMember {
	t.Helper()
	ordered := slices.Clone(c.members)
	eventually(t, patience, "the members of etcd agree on a leader", func() error {
		leaders := map[uint64]bool{}
		for _, m := range c.members {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			said, err := m.status.Status(ctx, "https://"+m.client)
			cancel()
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			leaders[said.Leader] = true
			if said.Leader == said.Header.GetMemberId() {
				slices.SortStableFunc(ordered, func(a, b *etcdMember) int { return boolToInt(b == m) - boolToInt(a == m) })
			}
		}
		if len(leaders) != 1 || leaders[0] {
			return fmt.Errorf("they say %v", leaders)
		}
		return nil
	})
	return ordered
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ledger is the trio as the tests of one etcd see it: by one of its members.
func (c *trio) ledger() *ledgerProcess {
	return &ledgerProcess{process: c.members[0].process, addr: c.members[0].client, cluster: c}
}

// config is how serve processes are told of it.
func (c *trio) config() string {
	var endpoints []string
	for _, m := range c.members {
		endpoints = append(endpoints, `"https://`+m.client+`"`)
	}
	return fmt.Sprintf("{endpoints: [%s], tls: {ca: %s, cert: %s, key: %s}}", strings.Join(endpoints, ", "),
		c.authority.Path("ca.pem"), c.authority.Path("client.pem"), c.authority.Path("client.key"))
}

// freePort is an address that nobody listens at.
func freePort(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
