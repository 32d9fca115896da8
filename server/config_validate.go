package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/acquitpay/acquit/providers/registry"
)

// Bounds that are not the operator's to choose.
const (
	minSessionTTL = 5 * time.Second // a send asks for 3 s of it, and renewing takes a while
	minQuota      = 64 << 20
	maxQuota      = 8 << 30 // what etcd recommends at most
)

// Validate reports everything that is wrong with a configuration, each with its
// key, in one *ConfigError. A Config that Load returned is valid.
func (c Config) Validate() error {
	if problems := c.problems(); len(problems) > 0 {
		return &ConfigError{Problems: problems}
	}
	return nil
}

// checks collects problems.
type checks []Problem

func (c *checks) that(ok bool, key, format string, args ...any) {
	if !ok {
		*c = append(*c, Problem{Key: key, Message: fmt.Sprintf(format, args...)})
	}
}

func (c Config) problems() []Problem {
	var v checks
	v.that(c.DataDir != "", "data_dir", "must name a directory")
	v.that(c.DrainTimeout > 0, "drain_timeout", "must be longer than 0s")
	v.that(c.SessionTTL >= minSessionTTL && c.SessionTTL%time.Second == 0, "session_ttl", "must be whole seconds, at least %s", minSessionTTL)
	v.that(c.WaitersPerTenant > 0, "waiters_per_tenant", "must be at least 1")
	v.that(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", "must be debug, info, warn or error")
	v.that(c.Log.Format == "text" || c.Log.Format == "json", "log.format", "must be text or json")
	v.that(c.Telemetry.OTLPEndpoint == "" || hostPort(c.Telemetry.OTLPEndpoint), "telemetry.otlp_endpoint", "must be host:port, without a scheme")
	v.that(c.Keys.File == "" || c.Keys.Secret.IsZero(), "keys.file", "must not be set together with keys.secret")
	v.listeners(c)
	v.ledger(c.Ledger, c.Insecure)
	v.operation(c.Operation)
	v.that(c.Sweep.Every > 0, "sweep.every", "must be longer than 0s")
	v.that(c.Sweep.PerAccount > 0, "sweep.per_account", "must be at least 1")
	v.that(c.Sweep.Recheck > 0, "sweep.recheck", "must be longer than 0s")
	v.retry(c.Retry)
	v.accounts(c.Accounts)
	v.that(hostPort(c.Sandbox.Addr) && loopback(c.Sandbox.Addr), "sandbox.addr", "must be a loopback host:port: the simulator obeys everybody")
	v.that(c.Sandbox.Latency >= 0, "sandbox.latency", "must not be negative")
	return v
}

// listeners refuses to show an unprotected address to a network.
func (c *checks) listeners(config Config) {
	t := config.TLS
	c.that((t.Cert == "") == (t.Key == ""), "tls.cert", "must be set together with tls.key")
	c.that(t.ClientCA == "" || t.Cert != "", "tls.client_ca", "needs tls.cert and tls.key")
	mutual, server := t.ClientCA != "" && t.Cert != "", t.Cert != ""
	for _, l := range []struct {
		key, addr string
		protected bool
		needs     string
	}{
		{"grpc_addr", config.GRPCAddr, mutual, "tls.cert, tls.key and tls.client_ca"},
		{"http_addr", config.HTTPAddr, server, "tls.cert and tls.key"},
		{"ops_addr", config.OpsAddr, mutual, "tls.cert, tls.key and tls.client_ca"},
	} {
		if c.that(hostPort(l.addr), l.key, "must be host:port, such as 127.0.0.1:7400"); !hostPort(l.addr) {
			continue
		}
		c.that(loopback(l.addr) || l.protected || config.Insecure, l.key,
			"%s is not loopback, so it needs %s, or insecure (--insecure) where the network lets nobody else in", l.addr, l.needs)
	}
}

func (c *checks) ledger(l Ledger, insecure bool) {
	for i, e := range l.Etcd.Endpoints {
		u, err := url.Parse(e)
		c.that(err != nil || u.Scheme != "http" || insecure || loopback(u.Host), fmt.Sprintf("ledger.etcd.endpoints[%d]", i),
			"%s is not loopback, so it needs https, or insecure (--insecure) where the network lets nobody else in", u.Host)
		c.that(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "",
			fmt.Sprintf("ledger.etcd.endpoints[%d]", i), "must be a URL such as https://etcd-0:2379")
		c.that(err != nil || u.Scheme != "http" || l.Etcd.TLS == EtcdTLS{}, fmt.Sprintf("ledger.etcd.endpoints[%d]", i),
			"must be https, since ledger.etcd.tls is set")
	}
	c.that((l.Etcd.TLS.Cert == "") == (l.Etcd.TLS.Key == ""), "ledger.etcd.tls.cert", "must be set together with ledger.etcd.tls.key")
	c.that(regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`).MatchString(l.Etcd.Prefix), "ledger.etcd.prefix", "must be a path such as /acquit/v1, without a slash at its end")
	c.that(l.Embedded.QuotaBytes >= minQuota && l.Embedded.QuotaBytes <= maxQuota, "ledger.embedded.quota_bytes", "must be %d to %d", minQuota, int64(maxQuota))
}

func (c *checks) operation(o Operation) {
	c.that(o.Deadline > 0, "operation.deadline", "must be longer than 0s")
	c.that(o.AttemptBudget > 0 && o.AttemptBudget <= o.Deadline, "operation.attempt_budget", "must be longer than 0s and not longer than operation.deadline")
	c.that(o.AttemptTimeout > 0 && o.AttemptTimeout <= o.AttemptBudget, "operation.attempt_timeout", "must be longer than 0s and not longer than operation.attempt_budget")
	c.that(o.ResolveBy >= o.Deadline, "operation.resolve_by", "must not be shorter than operation.deadline")
	c.that(o.ActionWindow >= o.Deadline, "operation.action_window", "must not be shorter than operation.deadline")
	c.that(o.InlineBudget > 0, "operation.inline_budget", "must be longer than 0s")
	c.that(o.MaxInFlight > 0, "operation.max_in_flight", "must be at least 1")
}

// retry leaves the judgement to whoever has to live with the policy.
func (c *checks) retry(r Retry) {
	err := r.policy().Validate()
	var wrong interface{ Unwrap() []error }
	if !errors.As(err, &wrong) {
		c.that(err == nil, "retry", "%v", err)
		return
	}
	for _, one := range wrong.Unwrap() {
		c.that(false, "retry", "%s", strings.TrimPrefix(one.Error(), "retry: "))
	}
}

func (c *checks) accounts(accounts []Account) {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	c.that(len(accounts) > 0, "accounts", "must name at least one account")
	seen := map[string]int{}
	for i, a := range accounts {
		at := func(key string) string { return fmt.Sprintf("accounts[%d].%s", i, key) }
		c.that(name.MatchString(a.Name), at("name"), "must be 1 to 63 lower-case letters, digits and . _ -, beginning with a letter or digit")
		other, taken := seen[a.Name]
		c.that(!taken, at("name"), "is the name of accounts[%d] too", other)
		seen[a.Name] = i
		c.that(slices.Contains(registry.Drivers(), a.Driver), at("driver"), "must name a driver: %s", strings.Join(registry.Drivers(), ", "))
		c.that(a.Environment == "sandbox" || a.Environment == "live", at("environment"), "must be sandbox or live")
		c.that(a.Driver != "sandbox" || a.Environment == "sandbox", at("environment"), "must be sandbox: the simulator moves no money")
		if a.BaseURL != "" {
			u, err := url.Parse(a.BaseURL)
			c.that(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", at("base_url"), "must be a URL such as https://api.example.com")
		}
		c.that(len(a.WebhookSecrets) <= 2, at("webhook_secrets"), "must name at most two secrets: the new one and the old one")
		for j, s := range a.WebhookSecrets {
			c.that(!s.IsZero(), fmt.Sprintf("%s[%d]", at("webhook_secrets"), j), `must be "file:PATH" or "env:NAME"`)
		}
		for j, t := range a.Tenants {
			c.that(t == "default", fmt.Sprintf("%s[%d]", at("tenants"), j), "must be default: this build gives callers no other tenant, so the account would fit nobody")
		}
	}
}

// hostPort reports whether a is host:port with a port that exists.
func hostPort(a string) bool {
	_, port, err := net.SplitHostPort(a)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// loopback reports whether only this machine can reach a. Names other than
// localhost are not looked up: what they mean can change.
func loopback(a string) bool {
	host, _, err := net.SplitHostPort(a)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
