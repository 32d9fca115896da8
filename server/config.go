package server

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/retry"
)

// Config is everything a server can be told. Load fills it; every key is also in
// deploy/acquit.example.yaml.
//
// The koanf tags are the keys of the file. Environment variables override the
// file: ACQUIT_ and the key in capitals, with two underscores where the key has
// a dot, so ACQUIT_GRPC_ADDR is grpc_addr and ACQUIT_LEDGER__ETCD__PREFIX is
// ledger.etcd.prefix; lists are written with commas. Accounts are in the file
// only. Flags override both.
type Config struct {
	// DataDir is where this process keeps what it must not lose: the embedded
	// ledger, the sandbox and the key file, unless these are configured to be
	// elsewhere. It is created with mode 0700. Two processes must not share one.
	// Defaults to "./acquit-data".
	DataDir string `koanf:"data_dir"`

	// GRPCAddr is where the API listens, host:port. Port 0 picks a free one.
	// A host that is not loopback needs TLS with client certificates, or Insecure.
	// Defaults to "127.0.0.1:7400".
	GRPCAddr string `koanf:"grpc_addr"`

	// HTTPAddr is where the providers' webhooks arrive, host:port. Port 0 picks a
	// free one. A host that is not loopback needs TLS, or Insecure: put a proxy that
	// ends TLS before it where the providers cannot reach this process.
	// Defaults to "127.0.0.1:7401".
	HTTPAddr string `koanf:"http_addr"`

	// OpsAddr is where /metrics, /healthz, /readyz and profiles are, host:port.
	// Profiles show the process' memory: keep it off public networks. A host that
	// is not loopback needs TLS with client certificates, or Insecure.
	// Defaults to "127.0.0.1:7402".
	OpsAddr string `koanf:"ops_addr"`

	// Insecure allows listeners that are not loopback without TLS and without
	// authentication: everybody who reaches them can move money. Set it only where
	// the network itself lets nobody else in. Defaults to false.
	Insecure bool `koanf:"insecure"`

	// TLS secures the listeners.
	TLS TLS `koanf:"tls"`

	// DrainTimeout is how long a stopping process waits for operations in flight.
	// Those that are left are found and finished by another process, or by this one
	// when it starts again, but their callers have to ask again. Keep it above
	// operation.attempt_timeout and below the grace period of whatever stops the
	// process. Defaults to 30s.
	DrainTimeout time.Duration `koanf:"drain_timeout"`

	// SessionTTL is how long the ledger remembers a process that went silent. Until
	// then callers of its operations wait. Shorter notices a crash sooner; below the
	// pauses that the process and its ledger have, it is taken for dead while it
	// lives, which is safe but slow. Whole seconds, at least 5s. Defaults to 15s.
	SessionTTL time.Duration `koanf:"session_ttl"`

	// WaitersPerTenant bounds the calls of one tenant that wait for another call
	// with the same key; more are answered OVERLOADED. Defaults to 1000.
	WaitersPerTenant int `koanf:"waiters_per_tenant"`

	// Log is about the log, which goes to standard error.
	Log Log `koanf:"log"`

	// Telemetry is about traces.
	Telemetry Telemetry `koanf:"telemetry"`

	// Ledger is where operations and payments are recorded.
	Ledger Ledger `koanf:"ledger"`

	// Keys is where the deployment's secret key is kept.
	Keys Keys `koanf:"keys"`

	// Operation bounds the work on one call.
	Operation Operation `koanf:"operation"`

	// Sweep is how open operations are looked after that no caller asks for.
	Sweep Sweep `koanf:"sweep"`

	// Retry is how a send is repeated within an attempt.
	Retry Retry `koanf:"retry"`

	// Accounts are the provider accounts, in the order in which they are tried.
	// Defaults to one account "sandbox" at the simulator in this process.
	Accounts []Account `koanf:"accounts"`

	// Sandbox is the simulated provider in this process. It runs only if an account
	// of driver sandbox has no base_url.
	Sandbox Sandbox `koanf:"sandbox"`
}

// TLS names PEM files. Empty fields mean no TLS. A file that is replaced is used for
// the connections of a second later, without a restart.
type TLS struct {
	// Cert is the file of the server's certificate chain. Set it together with Key.
	Cert string `koanf:"cert"`
	// Key is the file of the certificate's private key.
	Key string `koanf:"key"`
	// ClientCA is the file of the authorities whose client certificates are let in;
	// without it the API authenticates nobody. The webhook listener asks for no
	// client certificate: webhooks prove themselves by their signature.
	ClientCA string `koanf:"client_ca"`
}

// Log is about the log.
type Log struct {
	// Level is the least severe level that is written: debug, info, warn or error.
	// Defaults to "info".
	Level string `koanf:"level"`
	// Format is text or json, one line per record. Defaults to "text".
	Format string `koanf:"format"`
}

// Telemetry is about traces. Metrics are served at ops_addr.
type Telemetry struct {
	// OTLPEndpoint is the collector that gets the spans by OTLP over gRPC,
	// host:port. Empty records none, though log lines keep their trace ids. A
	// collector that cannot be reached loses spans and nothing else.
	// Defaults to "".
	OTLPEndpoint string `koanf:"otlp_endpoint"`
	// Insecure sends spans without TLS to a collector that is not loopback. Spans
	// carry amounts and references, no secrets. Defaults to false.
	Insecure bool `koanf:"insecure"`
}

// Ledger is where operations and payments are recorded: an etcd cluster if
// endpoints are given, otherwise an etcd inside this process.
type Ledger struct {
	// Etcd is the cluster.
	Etcd Etcd `koanf:"etcd"`
	// Embedded is the etcd inside this process.
	Embedded Embedded `koanf:"embedded"`
}

// Etcd is an etcd cluster of version 3.6.14, 3.7.1 or newer.
type Etcd struct {
	// Endpoints are the members' client URLs, such as https://etcd-0:2379. All
	// processes of a deployment name the same cluster. Empty means the embedded one.
	// Defaults to none.
	Endpoints []string `koanf:"endpoints"`
	// TLS is how the cluster is reached; https endpoints use the system's
	// authorities where no CA is given.
	TLS EtcdTLS `koanf:"tls"`
	// Prefix is put before every name in the store, so that deployments can share a
	// cluster. Changing it leaves all records behind: keys that were used would work
	// again. Defaults to "/acquit/v1".
	Prefix string `koanf:"prefix"`
}

// EtcdTLS names PEM files for the connection to etcd. What is replaced of them is
// used for the next connection, without a restart.
type EtcdTLS struct {
	// CA is the file of the authorities that the members' certificates come from.
	CA string `koanf:"ca"`
	// Cert is the file of this process' client certificate. Set it together with Key.
	Cert string `koanf:"cert"`
	// Key is the file of the certificate's private key.
	Key string `koanf:"key"`
}

// Embedded is the etcd inside this process, in the directory etcd of DataDir.
type Embedded struct {
	// QuotaBytes is how large the database may grow. At seven tenths new operations
	// are refused with LEDGER_FULL, so that the outcomes of running ones still fit.
	// Bytes, 67108864 (64 MiB) to 8589934592 (8 GiB), etcd's own limit.
	// Defaults to 8589934592.
	QuotaBytes int64 `koanf:"quota_bytes"`
}

// Keys is where the secret key is kept that provider keys are derived from and
// stored requests are encrypted with. All processes of a deployment need the
// same one, and a foreign one refuses to start. Whoever loses it together with
// the ledger loses the protection against charging twice.
type Keys struct {
	// File is the key file. Where it does not exist, it is created if the ledger
	// has never seen a key. Empty means the file "keyring" of DataDir.
	// Defaults to "".
	File string `koanf:"file"`
	// Secret is where the content of a key file is kept instead, such as
	// env:KEYRING; it is read only. Not together with File. Defaults to none.
	Secret Secret `koanf:"secret"`
}

// Operation bounds the work on one call. The numbers bound work, never truth: an
// operation whose time is up without proof is unknown, not failed.
type Operation struct {
	// Deadline is the time after the claim in which another account may still be
	// tried. Defaults to 2m.
	Deadline time.Duration `koanf:"deadline"`
	// AttemptBudget is the time that one owner has for all sends of an attempt, waits
	// included. Another process repeats a send only after it, so a long budget makes
	// recovery slow. Not longer than Deadline. Defaults to 70s.
	AttemptBudget time.Duration `koanf:"attempt_budget"`
	// AttemptTimeout is how long one send waits for the provider's answer. Too short
	// makes slow successes unknown. Not longer than AttemptBudget. Defaults to 20s.
	AttemptTimeout time.Duration `koanf:"attempt_timeout"`
	// ResolveBy is the time after the claim in which an unknown authorization is
	// still completed; after it no late charge is wanted, so it is looked up and
	// cancelled. Not shorter than Deadline. Defaults to 15m.
	ResolveBy time.Duration `koanf:"resolve_by"`
	// ActionWindow is the time after the claim in which a shopper may act, at a
	// redirect for instance; an authorization that still waits for that is then
	// cancelled. Not shorter than Deadline. Defaults to 30m.
	ActionWindow time.Duration `koanf:"action_window"`
	// UniqueMerchantReference refuses an Authorize whose merchant reference a live
	// payment of the same tenant has: one that has not ended declined, failed, voided
	// or expired. Payments made while it was off do not count. Defaults to false.
	UniqueMerchantReference bool `koanf:"unique_merchant_reference"`
	// InlineBudget is how long a call waits for its operation before it is answered
	// with the state as it is; the work goes on. A shorter client deadline comes
	// first. Defaults to 20s.
	InlineBudget time.Duration `koanf:"inline_budget"`
	// MaxInFlight bounds the operations that this process works on at a time; more
	// are answered OVERLOADED. Defaults to 4096.
	MaxInFlight int `koanf:"max_in_flight"`
}

// Sweep is how open operations are looked after that no caller asks for: those
// whose process is gone, whose outcome is unknown, or which the provider has only
// accepted. Processes share this work.
type Sweep struct {
	// Every is how often the index of open operations is read; what is due is found
	// up to this much later. Defaults to 5s.
	Every time.Duration `koanf:"every"`
	// PerAccount bounds the operations of one account that this process looks after
	// at a time, so that a provider that is back from an outage is not met by all of
	// them together. Defaults to 16.
	PerAccount int `koanf:"per_account"`
	// Recheck is how soon an operation that could not be settled is looked at again.
	// The older it is the longer that takes: a quarter of its age, an hour at most.
	// Defaults to 30s.
	Recheck time.Duration `koanf:"recheck"`
}

// Retry is how a send is repeated within an attempt, always with the same bytes
// under the same provider key. A provider's Retry-After is never undercut.
type Retry struct {
	// Spacing are the waits before the second send, the third, and so on, not
	// falling; the last one repeats. Defaults to 1s, 2s, 4s, 10s, 30s.
	Spacing []time.Duration `koanf:"spacing"`
	// Jitter is the part of each wait that is left to chance, 0 to below 1: 0.2 makes
	// 10s something between 8s and 12s. 0 lets requests that failed together return
	// together. Defaults to 0.2.
	Jitter float64 `koanf:"jitter"`
	// Immediate allows one repetition without a wait where the connection broke
	// without an answer. Defaults to true.
	Immediate bool `koanf:"immediate"`
	// MaxSends is how often one owner sends an attempt in all, 1 to 50; 1 repeats
	// nothing. Defaults to 7.
	MaxSends int `koanf:"max_sends"`
	// EscalateAfter is the age at which an operation that is still being retried is
	// reported to the operators. Defaults to 1m.
	EscalateAfter time.Duration `koanf:"escalate_after"`
}

// policy is the same in the words of the package that paces the sends.
func (r Retry) policy() retry.Policy { return retry.Policy(r) }

// Account is one account at a provider.
type Account struct {
	// Name is how the API, the logs and the records speak of it, such as
	// stripe-de: lower-case letters, digits and . _ -, up to 63. Never rename one
	// that has payments: they would be without an account.
	Name string `koanf:"name"`
	// Driver is the provider's driver. `acquit mapping` lists them.
	Driver string `koanf:"driver"`
	// Environment is sandbox or live: whether money moves. A live credential at a
	// sandbox host, and the reverse, refuses to start.
	Environment string `koanf:"environment"`
	// BaseURL replaces the driver's own address of the provider. For driver sandbox,
	// empty means the simulator in this process.
	BaseURL string `koanf:"base_url"`
	// Region is the provider's region, in the provider's words. Empty where it has
	// none.
	Region string `koanf:"region"`
	// MerchantID is the provider's id of the merchant. Empty where it has none.
	MerchantID string `koanf:"merchant_id"`
	// MerchantName is how a shopper is shown who is paid, where the provider asks for it.
	// Changed while payments are open, these can only be looked up, not sent again.
	// Empty leaves it to the provider.
	MerchantName string `koanf:"merchant_name"`
	// Credential is where the provider's secret is kept. Not needed for the
	// simulator.
	Credential Secret `koanf:"credential"`
	// WebhookSecrets are where the secrets are kept that the provider signs the
	// account's webhooks with, which are to be sent to /webhooks/NAME at http_addr.
	// One, or two while the second replaces the first: what either signed is taken
	// in. Without any, the account takes no webhooks, and look-ups alone tell what
	// became of an operation. Defaults to none.
	WebhookSecrets []Secret `koanf:"webhook_secrets"`
	// Tenants may use the account. Empty means all. This build knows no tenant but
	// "default", whoever calls, and refuses others.
	Tenants []string `koanf:"tenants"`
	// MayRepeat says that something between acquit and the provider, such as a
	// proxy, may repeat requests or answer them by itself. Then a refusal proves
	// nothing: it neither fails an operation nor lets another account try.
	// Defaults to false.
	MayRepeat bool `koanf:"may_repeat"`
}

// Sandbox is the simulated provider in this process. Its effects are kept in the
// directory sandbox of DataDir.
type Sandbox struct {
	// Addr is where the simulator listens, host:port. It obeys everybody and is
	// loopback only. Port 0 picks a free one. Defaults to "127.0.0.1:0".
	Addr string `koanf:"addr"`
	// Latency is how long the simulator takes for every answer. Defaults to 0s.
	Latency time.Duration `koanf:"latency"`
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		DataDir: "./acquit-data", GRPCAddr: "127.0.0.1:7400", HTTPAddr: "127.0.0.1:7401", OpsAddr: "127.0.0.1:7402",
		DrainTimeout: 30 * time.Second, SessionTTL: 15 * time.Second, WaitersPerTenant: 1000,
		Log: Log{Level: "info", Format: "text"},
		Ledger: Ledger{
			Etcd:     Etcd{Prefix: "/acquit/v1"},
			Embedded: Embedded{QuotaBytes: 8 << 30},
		},
		Operation: Operation{
			Deadline: 2 * time.Minute, AttemptBudget: 70 * time.Second, AttemptTimeout: 20 * time.Second,
			ResolveBy: 15 * time.Minute, ActionWindow: 30 * time.Minute, InlineBudget: 20 * time.Second, MaxInFlight: 4096,
		},
		Sweep:    Sweep{Every: 5 * time.Second, PerAccount: 16, Recheck: 30 * time.Second},
		Retry:    Retry(retry.Default()),
		Accounts: []Account{{Name: "sandbox", Driver: "sandbox", Environment: "sandbox"}},
		Sandbox:  Sandbox{Addr: "127.0.0.1:0"},
	}
}
