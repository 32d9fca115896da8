package server

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// banner is what a person who starts the server is told: whether money moves,
// who may call, where everything is, and what to try.
type banner struct {
	version string
	config  Config
	addrs   Addresses
	took    time.Duration
}

// Addresses are where a running server listens; port 0 has become a real one.
type Addresses struct {
	GRPC, HTTP, Ops string
}

// write prints the banner. A terminal that cannot take it is no reason to stop.
func (b banner) write(w io.Writer) {
	var out strings.Builder
	fmt.Fprintf(&out, "acquit %s  %s    data %s\n", b.version, strings.Join(b.mode(), ", "), b.config.DataDir)
	fmt.Fprintf(&out, "grpc %s   webhooks %s   ops %s   ready in %.1f s\n", b.addrs.GRPC, b.addrs.HTTP, b.addrs.Ops, b.took.Seconds())
	if account, ok := b.simulated(); ok {
		options := b.options(account)
		fmt.Fprintf(&out, "try  acquit authorize --amount 10.00 --currency EUR --token tok_ok%s\n", options)
		fmt.Fprintf(&out, "     acquit authorize --amount 10.00 --currency EUR --token tok_500_after_effect%s\n", options)
		fmt.Fprintf(&out, "     acquit get PAYMENT --timeline%s\n", b.options(defaultAccount))
	}
	traces := "--otlp-endpoint 127.0.0.1:4317"
	if endpoint := b.config.Telemetry.OTLPEndpoint; endpoint != "" {
		traces = endpoint
	}
	fmt.Fprintf(&out, "traces: %s     what an answer means: acquit mapping\n", traces)
	_, _ = io.WriteString(w, out.String())
}

// mode says in three words what can go wrong.
func (b banner) mode() []string {
	money, callers, reach := "SANDBOX", "no authentication", "loopback only"
	if slices.ContainsFunc(b.config.Accounts, func(a Account) bool { return a.Environment == "live" }) {
		money = "LIVE"
	}
	if b.config.TLS.ClientCA != "" {
		callers = "client certificates"
	}
	if !loopback(b.addrs.GRPC) {
		reach = "open to the network"
	}
	return []string{money, callers, reach}
}

// simulated finds an account that the examples can be tried on.
func (b banner) simulated() (string, bool) {
	i := slices.IndexFunc(b.config.Accounts, func(a Account) bool { return a.Driver == sandboxDriver })
	if i < 0 || b.config.TLS.Cert != "" {
		return "", false
	}
	return b.config.Accounts[i].Name, true
}

// options are the flags that the examples need where not everything is default.
func (b banner) options(account string) string {
	var flags string
	if account != defaultAccount {
		flags += " --account " + account
	}
	if b.addrs.GRPC != Default().GRPCAddr {
		flags += " --addr " + b.addrs.GRPC
	}
	return flags
}

const (
	// sandboxDriver is the driver that needs no provider.
	sandboxDriver = "sandbox"
	// defaultAccount is the account of a server without configuration.
	defaultAccount = "sandbox"
)
