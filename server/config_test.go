package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// sameSecrets compares references.
var sameSecrets = cmp.Comparer(func(a, b Secret) bool { return a == b })

// problemsOf loads a document and returns what Load found wrong with it.
func problemsOf(t *testing.T, document string, s Source) []string {
	t.Helper()
	s.File = filepath.Join(t.TempDir(), "acquit.yaml")
	if err := os.WriteFile(s.File, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(s)
	if err == nil {
		return nil
	}
	wrong, ok := errors.AsType[*ConfigError](err)
	if !ok {
		return []string{err.Error()}
	}
	var lines []string
	for _, p := range wrong.Problems {
		lines = append(lines, p.Key+": "+p.Message)
	}
	return lines
}

// TestLoadRefuses: a mistake in a configuration is named with its key and never
// taken for the default. Each case is a document with one mistake.
func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"unknown key":            {"grpc_adr: 127.0.0.1:1", "grpc_adr: unknown key (did you mean grpc_addr?)"},
		"unknown nested key":     {"ledger: {etcd: {endpoint: [http://a:1]}}", "ledger.etcd.endpoint: unknown key (did you mean ledger.etcd.endpoints?)"},
		"unknown section":        {"zzzzzzzzzzzz: {a: 1}", "zzzzzzzzzzzz: unknown key"},
		"unknown key of a list":  {"accounts: [{name: a, driver: sandbox, environment: sandbox, drive: x}]", "accounts[0].drive: unknown key (did you mean accounts[].driver?)"},
		"key in capitals":        {"GRPC_ADDR: 127.0.0.1:1", "GRPC_ADDR: unknown key"},
		"number for a duration":  {"session_ttl: 15", "session_ttl: must be a duration with a unit, such as 20s or 2m"},
		"no duration":            {"session_ttl: soon", `session_ttl: "soon" is no duration such as 20s or 2m`},
		"number in a list":       {"retry: {spacing: [1s, 2]}", "retry.spacing[1]: must be a duration with a unit, such as 20s or 2m"},
		"fraction":               {"waiters_per_tenant: 1.5", "waiters_per_tenant: must be a whole number"},
		"number for a text":      {"grpc_addr: 7400", "grpc_addr: expected type 'string', got unconvertible type 'int'"},
		"text for a flag":        {`insecure: "yes"`, "insecure: expected type 'bool', got unconvertible type 'string'"},
		"value for a section":    {"log: loud", "log: expected a map or struct, got \"string\""},
		"null":                   {"grpc_addr:", "grpc_addr: must be host:port, such as 127.0.0.1:7400"},
		"unbounded sends":        {"retry: {max_sends: 0}", "retry: max sends is 0, want 1 to 50"},
		"no spacing":             {"retry: {spacing: []}", "retry: no spacing between sends"},
		"etcd in the clear":      {"ledger: {etcd: {endpoints: ['http://etcd-0:2379']}}", "ledger.etcd.endpoints[0]: etcd-0:2379 is not loopback, so it needs https, or insecure (--insecure) where the network lets nobody else in"},
		"a tenant nobody is":     {"accounts: [{name: a, driver: sandbox, environment: sandbox, tenants: [shop]}]", "accounts[0].tenants[0]: must be default: this build gives callers no other tenant, so the account would fit nobody"},
		"attempt beyond its end": {"operation: {attempt_timeout: 71s}", "operation.attempt_timeout: must be longer than 0s and not longer than operation.attempt_budget"},
		"short session":          {"session_ttl: 2s", "session_ttl: must be whole seconds, at least 5s"},
		"three webhook secrets":  {"accounts: [{name: a, driver: sandbox, environment: sandbox, webhook_secrets: ['env:A', 'env:B', 'env:C']}]", "accounts[0].webhook_secrets: must name at most two secrets: the new one and the old one"},
		"no webhook secret":      {"accounts: [{name: a, driver: sandbox, environment: sandbox, webhook_secrets: ['']}]", `accounts[0].webhook_secrets[0]: must be "file:PATH" or "env:NAME"`},
		"a webhook secret shown": {"accounts: [{name: a, driver: sandbox, environment: sandbox, webhook_secrets: [whsec_x]}]", `accounts[0].webhook_secrets[0]: a secret is given as "file:PATH" or "env:NAME", never as the value itself`},
		"no accounts":            {"accounts: []", "accounts: must name at least one account"},
		"driver not inherited":   {"accounts: [{name: a, environment: sandbox}]", "accounts[0].driver: must name a driver: sandbox, stripe, adyen, amazonpay, truelayer"},
		"two of one name":        {"accounts: [{name: a, driver: sandbox, environment: sandbox}, {name: a, driver: sandbox, environment: sandbox}]", "accounts[1].name: is the name of accounts[0] too"},
		"key without cert":       {"tls: {key: k.pem}", "tls.cert: must be set together with tls.key"},
		"TLS over no TLS":        {"ledger: {etcd: {endpoints: ['http://127.0.0.1:2379'], tls: {ca: ca.pem}}}", "ledger.etcd.endpoints[0]: must be https, since ledger.etcd.tls is set"},
		"endpoint without URL":   {"ledger: {etcd: {endpoints: ['etcd:2379']}}", "ledger.etcd.endpoints[0]: must be a URL such as https://etcd-0:2379"},
		"open simulator":         {"sandbox: {addr: '0.0.0.0:1'}", "sandbox.addr: must be a loopback host:port: the simulator obeys everybody"},
		"grpc for everybody": {
			"grpc_addr: 0.0.0.0:7400",
			"grpc_addr: 0.0.0.0:7400 is not loopback, so it needs tls.cert, tls.key and tls.client_ca, or insecure (--insecure) where the network lets nobody else in",
		},
		"grpc for everybody with TLS only": {
			"{grpc_addr: ':7400', tls: {cert: c, key: k}}",
			"grpc_addr: :7400 is not loopback, so it needs tls.cert, tls.key and tls.client_ca, or insecure (--insecure) where the network lets nobody else in",
		},
		"webhooks for everybody": {
			"http_addr: acquit.example.com:443",
			"http_addr: acquit.example.com:443 is not loopback, so it needs tls.cert and tls.key, or insecure (--insecure) where the network lets nobody else in",
		},
		"ops for everybody": {
			"ops_addr: '[::]:1'",
			"ops_addr: [::]:1 is not loopback, so it needs tls.cert, tls.key and tls.client_ca, or insecure (--insecure) where the network lets nobody else in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.want}, problemsOf(t, c.document, Source{})); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLoadNamesAllProblemsAtOnce: nobody mends a file line by line.
func TestLoadNamesAllProblemsAtOnce(t *testing.T) {
	got := problemsOf(t, "{drain_timeout: 0s, log: {level: loud}, retry: {jitter: 2.0}}", Source{})
	want := []string{"drain_timeout: must be longer than 0s", "log.level: must be debug, info, warn or error", "retry: jitter 2, want 0 to below 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestLoadAllowsNetworksThatAreProtected: what is refused without protection is
// allowed with it, or on demand.
func TestLoadAllowsNetworksThatAreProtected(t *testing.T) {
	open := "grpc_addr: 0.0.0.0:1, http_addr: 0.0.0.0:2, ops_addr: 0.0.0.0:3"
	for name, document := range map[string]string{
		"client certificates": "{" + open + ", tls: {cert: c, key: k, client_ca: a}}",
		"insecure":            "{" + open + ", insecure: true}",
	} {
		t.Run(name, func(t *testing.T) {
			if got := problemsOf(t, document, Source{}); got != nil {
				t.Errorf("refused: %q", got)
			}
		})
	}
}

// TestLoadOrder: flags override the environment, which overrides the file, which
// overrides the defaults; each value is set in one more place than the one before.
func TestLoadOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "acquit.yaml")
	document := "{http_addr: 127.0.0.1:2, ops_addr: 127.0.0.1:2, data_dir: file, retry: {spacing: [7s]}, accounts: [{name: a, driver: sandbox, environment: sandbox, credential: 'env:KEY'}]}"
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(Source{
		File: path,
		Environ: Environ{
			"ACQUIT_OPS_ADDR=127.0.0.1:3", "ACQUIT_DATA_DIR=env", "ACQUIT_INSECURE=true", "ACQUIT_OPERATION__MAX_IN_FLIGHT=3",
			"ACQUIT_OPERATION__RESOLVE_BY=1h", "ACQUIT_RETRY__JITTER=0.5", "ACQUIT_LEDGER__ETCD__ENDPOINTS=http://a:1, http://b:2", "OTHER=1",
		},
		Flags: map[string]any{"data_dir": "flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.HTTPAddr, want.OpsAddr, want.DataDir, want.Insecure = "127.0.0.1:2", "127.0.0.1:3", "flag", true
	want.Operation.MaxInFlight, want.Operation.ResolveBy = 3, time.Hour
	want.Retry.Jitter, want.Retry.Spacing = 0.5, []time.Duration{7 * time.Second}
	want.Ledger.Etcd.Endpoints = []string{"http://a:1", "http://b:2"}
	want.Accounts = []Account{{Name: "a", Driver: "sandbox", Environment: "sandbox", Credential: Secret{"env:KEY"}}}
	if diff := cmp.Diff(want, got, sameSecrets); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// TestLoadRefusesVariables: the environment is as strict as the file.
func TestLoadRefusesVariables(t *testing.T) {
	for variable, want := range map[string]string{
		"ACQUIT_GRPC_ADR=x":           "ACQUIT_GRPC_ADR: sets no key (did you mean grpc_addr?)",
		"ACQUIT_LEDGER_ETCD_PREFIX=x": "ACQUIT_LEDGER_ETCD_PREFIX: sets no key (did you mean ledger.etcd.prefix?)",
		"ACQUIT_TLS=x":                "ACQUIT_TLS: sets no key (did you mean tls?)",
		"ACQUIT_ACCOUNTS=x":           "ACQUIT_ACCOUNTS: sets no key (did you mean accounts?)",
		"ACQUIT_INSECURE=yes":         `ACQUIT_INSECURE: "yes" is neither true nor false`,
		"ACQUIT_SESSION_TTL=15":       `session_ttl: "15" is no duration such as 20s or 2m`,
		"ACQUIT_FAULT=":               checkFaultVariable("").Key + ": " + checkFaultVariable("").Message,
		"ACQUIT_RETRY__MAX_SENDS=1.5": `ACQUIT_RETRY__MAX_SENDS: "1.5" is no whole number`,
	} {
		t.Run(variable, func(t *testing.T) {
			if diff := cmp.Diff([]string{want}, problemsOf(t, "", Source{Environ: Environ{variable}})); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInlineSecretIsRefusedAndNotRepeated: a secret in the file is refused by an
// error that does not show it, whatever it looks like.
func TestInlineSecretIsRefusedAndNotRepeated(t *testing.T) {
	for _, secret := range []string{"sk_live_4eC39HqLyjWDarjt", "password:hunter2", "file:", "12345678", "[hunter2]", "{hunter2: hunter2}"} {
		got := strings.Join(problemsOf(t, "accounts: [{name: a, driver: x, environment: live, credential: "+secret+"}]", Source{}), "\n")
		if want := "accounts[0].credential: " + errInlineSecret.Error(); got != want {
			t.Errorf("credential %s: %s", secret, got)
		}
	}
}

// TestSecretShowsItsReferenceOnly: no way of printing a configuration shows what
// a reference points to, even after it was read.
func TestSecretShowsItsReferenceOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(path, []byte("hunter2\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{"file:" + path, "env:CREDENTIAL"} {
		secret, err := ParseSecret(reference)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := secret.Read(Environ{"CREDENTIAL=hunter2"}); got != "hunter2" || err != nil {
			t.Errorf("read %s: %q, %v", reference, got, err)
		}
		account := Account{Name: "a", Credential: secret}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).InfoContext(t.Context(), "text", "account", account, "secret", secret)
		slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "json", "account", account, "secret", secret)
		encoded, err := json.Marshal([]Secret{account.Credential})
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%v %+v %#v %s %s %s", account, account, account, secret, encoded, &log)
		if strings.Contains(shown, "hunter2") || !strings.Contains(string(encoded), reference) {
			t.Errorf("shown: %s", shown)
		}
	}
	for _, reference := range []string{"file:" + path + "x", "env:MISSING"} {
		if _, err := (Secret{reference}).Read(nil); err == nil || !strings.Contains(err.Error(), reference) {
			t.Errorf("read %s: %v", reference, err)
		}
	}
}

// TestExampleIsTheDefault: the example file names every key, says something
// about each, and changes nothing but what it says it changes.
func TestExampleIsTheDefault(t *testing.T) {
	const path = "../deploy/acquit.example.yaml"
	got, err := Load(Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, sameSecrets, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the example differs from the defaults (-default +example):\n%s", diff)
	}
	raw := koanf.New(".")
	if err := raw.Load(file.Provider(path), yaml.Parser()); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	collect(raw.Raw(), "", named)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(schemaOf(reflect.TypeFor[Config](), ""))), slices.Sorted(maps.Keys(named))); diff != "" {
		t.Errorf("keys of the example (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	commented := false
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "#") && !commented {
			t.Errorf("line %d has no comment: %s", i+1, line)
		}
		commented = strings.HasPrefix(line, "#")
	}
}

// collect gathers the keys of a document in the spelling of the schema.
func collect(node any, path string, into map[string]bool) {
	switch node := node.(type) {
	case map[string]any:
		for name, inner := range node {
			into[join(path, name)] = true
			collect(inner, join(path, name), into)
		}
	case []any:
		for _, item := range node {
			collect(item, path+"[]", into)
		}
	}
}
