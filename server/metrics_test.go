package server

import (
	"context"
	"flag"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

var updateMetrics = flag.Bool("update-metrics", false, "rewrite the table of metrics")

// Goal: the table of metrics in testdata is what a running server shows, no name and
// no label more or less, so that alerts and panels can be held against it. Method: a
// server is led through a success, a repetition, a decline, a reused key, a replay, an
// operation that stays open and a forged webhook; then its page is read. Names of the
// runtime, which are Go's own, are left out.
func TestMetricsAreTheTable(t *testing.T) {
	r := start(t, func(c *Config) {
		withWebhooks(t, "a secret of webhooks")(c)
		c.Sweep.Every = 100 * time.Millisecond
		c.Sweep.Recheck = 10 * time.Millisecond // so that visits are made
	})
	client := acquitv1.NewPaymentServiceClient(r.dial(t))
	for key, token := range map[string]string{
		"ok": "tok_ok", "repeated": "tok_500_after_effect", "declined": "tok_decline_generic", "open": "tok_pending_30s", "broken": "tok_unknown_status",
	} {
		authorize(t, client, key, token)
	}
	authorize(t, client, "ok", "tok_ok")
	if _, err := client.Authorize(withKey(t, "ok"), request("tok_429")); err == nil {
		t.Error("a key was used twice")
	}
	fetched(t, http.MethodPost, "http://"+r.HTTP+"/webhooks/sandbox", "{}")
	path := filepath.Join("testdata", "metrics.golden.txt")
	if *updateMetrics {
		eventually(t, "a count of what is open", func() bool { return strings.Contains(page(t, r, ""), "acquit_operation_open_age_seconds{") })
		if err := os.WriteFile(path, []byte(table(page(t, r, ""))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for limit := time.Now().Add(10 * time.Second); got != string(want) && time.Now().Before(limit); {
		got = table(page(t, r, ""))
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the table is stale, go test ./server -run %s -update-metrics (-want +got):\n%s", t.Name(), diff)
	}
}

// Goal: a single event of a metric leads to its trace. Method: a call within a trace
// of ours, then the page as OpenMetrics: the attempt's duration and the call's name
// that trace.
func TestMetricsNameTraces(t *testing.T) {
	_, addr := collects(t) // without a collector nothing is sampled, and only what is has a trace to name
	r := start(t, func(c *Config) { c.Telemetry.OTLPEndpoint = addr })
	const trace = "0af7651916cd43dd8448eb211c80319c"
	ctx := metadata.AppendToOutgoingContext(withKey(t, "one"), "traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	if _, err := acquitv1.NewPaymentServiceClient(r.dial(t)).Authorize(ctx, request("tok_ok")); err != nil {
		t.Fatal(err)
	}
	text := page(t, r, "application/openmetrics-text; version=1.0.0")
	for _, name := range []string{"acquit_attempt_duration_seconds_bucket", "rpc_server_call_duration_seconds_bucket", "acquit_attempt_sends_total"} {
		if !regexp.MustCompile(`(?m)^` + name + `\{.* # \{.*trace_id="` + trace + `"`).MatchString(text) {
			t.Errorf("%s names no trace in\n%s", name, text)
		}
	}
}

// page is the metrics page as a scraper with that Accept header gets it.
func page(t *testing.T, r *running, accept string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Ops+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", accept)
	response, err := (&http.Client{}).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// table says of every metric on a page its name, its type and its labels. Metrics of
// the Go runtime, the process and the page itself are not acquit's and not listed.
func table(page string) string {
	kinds, labels := map[string]string{}, map[string]map[string]bool{}
	declared := regexp.MustCompile(`^# TYPE (\S+) (\S+)`)
	sample := regexp.MustCompile(`^(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	label := regexp.MustCompile(`(\w+)="`)
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if d := declared.FindStringSubmatch(line); d != nil {
			if !regexp.MustCompile(`^(go|process|promhttp)_`).MatchString(d[1]) {
				kinds[d[1]], labels[d[1]] = d[2], map[string]bool{}
			}
			continue
		}
		if s := sample.FindStringSubmatch(line); s != nil && kinds[s[1]] != "" {
			for _, l := range label.FindAllStringSubmatch(s[2], -1) {
				labels[s[1]][l[1]] = true
			}
		}
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		out.WriteString(strings.TrimSpace(name+" "+kinds[name]+" "+strings.Join(slices.Sorted(maps.Keys(labels[name])), " ")) + "\n")
	}
	return out.String()
}
