// Package monitoring holds what is shipped for Prometheus, Grafana and the people on
// call to what acquit shows: no alert, panel or runbook is about a metric, a label or
// an alert that there is not. What the alerts do is tested beside them, by promtool.
package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
)

const deploy = "../../deploy"

// metrics are the labels of all metrics, from the table that a running server is held
// against, and what Prometheus adds itself.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": {"job", "instance"}}
	for line := range strings.Lines(string(read(t, "../../server/testdata/metrics.golden.txt"))) {
		words := strings.Fields(line)
		labels := append(words[2:], "job", "instance")
		all[words[0]] = labels
		if words[1] == "histogram" {
			delete(all, words[0])
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				all[words[0]+part] = labels
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("found only %d metrics: the test reads the table wrongly", len(all))
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// decode reads YAML as JSON would be, so that types are plain.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	plain, err := yaml.Parser().Unmarshal(read(t, path))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	raw, err := json.Marshal(plain)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// rule is an alert.
type rule struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	decode(t, filepath.Join(deploy, "prometheus/acquit.rules.yml"), &file)
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 15 {
		t.Fatalf("found only %d alerts: the test reads the rules wrongly", len(all))
	}
	return all
}

// wrong says what an expression of PromQL names that there is not. It knows as much of
// PromQL as the rules and the dashboard use.
func wrong(expr string, known map[string][]string) []string {
	var out, labels, grouped []string
	expr = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, `""`)
	expr = regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(expr, "")
	grouping := regexp.MustCompile(`\b(?:by|without)\s*\(([^)]*)\)`)
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		grouped = append(grouped, words(g[1])...)
	}
	expr = grouping.ReplaceAllString(expr, "")
	named := 0
	for _, s := range regexp.MustCompile(`([a-zA-Z_]\w*)\s*(\(|\{[^}]*\})?`).FindAllStringSubmatch(expr, -1) {
		if s[2] == "(" || slices.Contains([]string{"and", "or", "unless"}, s[1]) {
			continue
		}
		named++
		has, ok := known[s[1]]
		if !ok {
			out = append(out, "no metric is called "+s[1])
		}
		labels = append(labels, has...)
		for _, l := range regexp.MustCompile(`(\w+)\s*(?:=|!)`).FindAllStringSubmatch(s[2], -1) {
			if ok && !slices.Contains(has, l[1]) {
				out = append(out, s[1]+" has no label "+l[1])
			}
		}
	}
	for _, g := range grouped {
		if !slices.Contains(labels, g) {
			out = append(out, "no metric in it has a label "+g)
		}
	}
	if named == 0 {
		out = append(out, "it is about no metric")
	}
	return out
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

// Goal: the check of expressions finds what is wrong in one. Method: expressions with
// one fault each, and one without.
func TestWrongExpressionsAreFound(t *testing.T) {
	known := map[string][]string{"a_total": {"x", "job"}, "b_bucket": {"le"}}
	for expr, want := range map[string]string{
		`sum by (x) (rate(a_total{x=~"y|z",job!="w"}[5m])) / sum(b_bucket) > 0.5 and a_total`: "",
		`sum(rate(c_total{x="a_total"}[5m]))`:                                                 "no metric is called c_total",
		`rate(a_total{y="1"}[5m])`:                                                            "a_total has no label y",
		`sum by (le, y) (b_bucket)`:                                                           "no metric in it has a label y",
		`vector(1)`:                                                                           "it is about no metric",
	} {
		if got := strings.Join(wrong(expr, known), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// Goal: no alert names a metric or label that there is not, and each says what it is
// about and how much it hurries. Method: the expressions are held against the table.
func TestAlertsAreAboutWhatThereIs(t *testing.T) {
	known := metrics(t)
	for _, r := range rules(t) {
		for _, w := range wrong(r.Expr, known) {
			t.Errorf("%s: %s", r.Alert, w)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", r.Alert)
		}
	}
}

// Goal: promtool is asked of every alert whether it fires and whether it stays silent.
// Method: the file of its tests is searched for both.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Rules []struct {
				Alert  string `json:"alertname"`
				Expect []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	decode(t, filepath.Join(deploy, "prometheus/acquit.test.yml"), &file)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, r := range test.Rules {
			fires[r.Alert] = fires[r.Alert] || len(r.Expect) > 0
			silent[r.Alert] = silent[r.Alert] || len(r.Expect) == 0
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: tested to fire: %t; to stay silent: %t", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
}

// Goal: whoever is woken finds a runbook, and no runbook is left over. Method: names of
// files and alerts are compared both ways; each has the three parts that it is to have.
func TestEveryAlertHasItsRunbook(t *testing.T) {
	wanted := map[string]bool{}
	for _, r := range rules(t) {
		want := "deploy/runbooks/" + r.Alert + ".md"
		if r.Annotations["runbook"] != want {
			t.Errorf("%s names the runbook %q, want %s", r.Alert, r.Annotations["runbook"], want)
		}
		wanted[r.Alert+".md"] = true
		text, err := os.ReadFile(filepath.Join("../..", want))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"# " + r.Alert + "\n", "\n**Money.** ", "\n**Look.**\n", "\n**Do.** ", "\n**Do not.** "} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no part %q", want, part)
			}
		}
	}
	files, err := os.ReadDir(filepath.Join(deploy, "runbooks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[f.Name()] {
			t.Errorf("the runbook %s belongs to no alert", f.Name())
		}
	}
}

// Goal: a runbook looks at metrics that there are. Method: what it searches the metrics
// page for must be part of a name or of a known value.
func TestRunbooksLookAtWhatThereIs(t *testing.T) {
	known := metrics(t)
	files, err := filepath.Glob(filepath.Join(deploy, "runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	searches := 0
	for _, f := range files {
		for _, s := range regexp.MustCompile(`/metrics \| grep (\S+)`).FindAllStringSubmatch(string(read(t, f)), -1) {
			searches++
			found := s[1] == "IDEMPOTENCY_KEY_REUSED"
			for name := range known {
				found = found || strings.Contains(name, s[1])
			}
			if !found {
				t.Errorf("%s searches for %s, which no metric is called", f, s[1])
			}
		}
	}
	if searches < 10 {
		t.Errorf("found only %d searches: the test reads the runbooks wrongly", searches)
	}
}
