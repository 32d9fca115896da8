package e2e

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/providers/truelayer"
)

// remote is where an account leads, and how.
type remote struct {
	*pipes

	account    payment.AccountName
	driver     string
	host       string
	merchant   string
	region     string
	fetch      func(context.Context, string) ([]byte, error) // of what the provider publishes; nil if nothing is
	credential providers.Secret
}

func newRemote(account payment.AccountName, driver string, credential providers.Secret) remote {
	return remote{
		pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, account: account, driver: driver,
		host: string(account) + ".test", credential: credential,
	}
}

// secrets are what must not come out of the account. A key in PEM is looked for by its
// lines: where it is quoted its line breaks may be written in another way.
func (r remote) secrets() []string {
	const least = 32 // a shorter line may be the end of one, and stand anywhere
	lines := slices.DeleteFunc(strings.Split(string(r.credential), "\n"), func(line string) bool {
		return len(line) < least || strings.HasPrefix(line, "-----")
	})
	if len(lines) < 2 {
		lines = []string{string(r.credential)}
	}
	if r.driver == truelayer.Name {
		lines = append(lines, trueLayerToken, trueLayerSecret)
	}
	return append(lines, string(r.webhookSecret()))
}

// remotes are those of all accounts, in the order in which routing prefers them.
func (h *house) remotes() []remote {
	var all []remote
	for _, p := range h.providers {
		all = append(all, p.remote)
	}
	for _, a := range h.stripes {
		all = append(all, a.remote)
	}
	for _, a := range h.adyens {
		all = append(all, a.remote)
	}
	for _, a := range h.amazons {
		all = append(all, a.remote)
	}
	for _, a := range h.layers {
		all = append(all, a.remote)
	}
	return all
}

// provider is the simulated provider of one account of the sandbox.
type provider struct {
	remote

	simulator *simulator.Simulator
	t         *testing.T
}

func newProvider(t *testing.T, account payment.AccountName, c simulator.Config) *provider {
	t.Helper()
	s, err := simulator.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{remote: newRemote(account, sandbox.Name, credential), simulator: s, t: t}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(ctx, p.pipes); err != nil {
			t.Errorf("provider %s: %v", account, err)
		}
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
		if err := s.Close(); err != nil {
			t.Errorf("provider %s: %v", account, err)
		}
	})
	return p
}

// entries of the provider's log, of some kinds, oldest first.
func (p *provider) entries(kinds ...simulator.Kind) []simulator.Entry {
	p.t.Helper()
	found, err := p.simulator.Entries(kinds...)
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// received are the writes that arrived from acquit, without the copies that the
// network made of them.
func (p *provider) received() []simulator.Entry {
	p.t.Helper()
	return slices.DeleteFunc(p.entries(simulator.KindRequest), func(e simulator.Entry) bool { return e.Copy })
}

// effects are those that exist at the provider and were not released by a cancel
// of ours.
func (p *provider) effects() []simulator.Entry {
	p.t.Helper()
	cancels := p.entries(simulator.KindCancel)
	return slices.DeleteFunc(p.entries(simulator.EffectKinds()...), func(e simulator.Entry) bool {
		return e.Kind == simulator.KindEffect && slices.ContainsFunc(cancels, func(c simulator.Entry) bool {
			return c.Parent == e.Object && c.Amount == e.Amount
		})
	})
}

// under keeps the entries of a provider key.
func under(key payment.ProviderKey, entries []simulator.Entry) []simulator.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e simulator.Entry) bool { return e.Key != string(key) })
}

// pipes is a listener of in-memory connections that can refuse them.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	down  atomic.Bool
}

func (l *pipes) dial(ctx context.Context) (net.Conn, error) {
	if l.down.Load() {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	client, served := net.Pipe()
	select {
	case l.conns <- served:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
