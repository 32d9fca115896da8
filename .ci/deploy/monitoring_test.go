package deploy

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

// The Prometheus operator's definitions of its kinds. They are data in its module, of
// which nothing is built; what is downloaded is what was looked at.
const (
	operator    = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
	operatorSum = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
)

// validate are the arguments of go that check manifests against the definitions of
// Kubernetes and of the operator.
func validate(t *testing.T, manifests string) []string {
	t.Helper()
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal(said(t, nil, "go", "mod", "download", "-json", operator), &module); err != nil {
		t.Fatal(err)
	}
	if module.Sum != operatorSum {
		t.Fatalf("%s has the sum %s", operator, module.Sum)
	}
	kinds := t.TempDir()
	for _, kind := range []string{"servicemonitors", "prometheusrules"} {
		raw, err := os.ReadFile(filepath.Join(module.Dir, "example/prometheus-operator-crd/monitoring.coreos.com_"+kind+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(kinds, kind+".yaml"), string(raw))
	}
	return []string{"tool", "-modfile=validate/go.mod", "kubectl-validate", "--version", "1.30", "--local-crds", kinds, manifests}
}

// TestMonitoringIsChecked: a misspelt field of either of the operator's kinds is found.
func TestMonitoringIsChecked(t *testing.T) {
	for _, wrong := range []struct{ kind, from, to string }{
		{"ServiceMonitor", "jobLabel:", "jobLable:"},
		{"PrometheusRule", "alert: AcquitDown", "alarm: AcquitDown"},
	} {
		dir, found := t.TempDir(), false
		for _, text := range rendered(t, "acquit") {
			if strings.Contains(text, "kind: "+wrong.kind) && strings.Contains(text, wrong.from) {
				found = true
				write(t, filepath.Join(dir, "wrong.yaml"), strings.Replace(text, wrong.from, wrong.to, 1))
			}
		}
		if out, err := try(t, nil, "go", validate(t, dir)...); !found || err == nil || !strings.Contains(string(out), wrong.to[:5]) {
			t.Errorf("%s with %s: found %t, %v\n%s", wrong.kind, wrong.to, found, err, out)
		}
	}
}

// TestChartMonitoring: the chart gives the operator the very alerts, and Grafana the
// very dashboard, of deploy; and what is scraped is called what the alerts ask for,
// whatever the release is called.
func TestChartMonitoring(t *testing.T) {
	var want any
	read(t, alerts, &want)
	raw, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	rules, drawn, label, labels := 0, 0, "", map[string]string{}
	for _, text := range rendered(t, "elsewhere") {
		var m struct {
			Kind     string
			Metadata struct{ Labels map[string]string }
			Spec     any
			Data     map[string]string
		}
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		switch spec, _ := m.Spec.(map[string]any); m.Kind {
		case "PrometheusRule":
			rules++
			if !reflect.DeepEqual(m.Spec, want) {
				t.Errorf("the alerts are not those of %s:\n%s", alerts, text)
			}
		case "ServiceMonitor":
			label, _ = spec["jobLabel"].(string)
		case "Service":
			labels = m.Metadata.Labels
		case "ConfigMap":
			if got, ok := m.Data["acquit.json"]; ok {
				drawn++
				if got != string(raw) {
					t.Errorf("the dashboard is not %s", dashboard)
				}
			}
		}
	}
	source, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	if rules != 1 || drawn != 1 || labels[label] != "acquit" || !strings.Contains(string(source), `job="acquit"`) {
		t.Errorf("%d sets of alerts, %d dashboards; the job is the label %q, which is %q", rules, drawn, label, labels[label])
	}
}

// TestComposeMonitoring: Prometheus finds its alerts, and Grafana its dashboard, where
// their configurations say, in what is mounted there.
func TestComposeMonitoring(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{directory + "/compose/compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var prometheus struct {
		RuleFiles []string `json:"rule_files"`
	}
	read(t, mounted(t, project.Services["prometheus"], "/etc/prometheus/prometheus.yml"), &prometheus)
	if len(prometheus.RuleFiles) != 1 {
		t.Fatalf("Prometheus reads the rules %q", prometheus.RuleFiles)
	}
	same(t, mounted(t, project.Services["prometheus"], prometheus.RuleFiles[0]), alerts)
	var grafana struct {
		Providers []struct{ Options struct{ Path string } }
	}
	read(t, mounted(t, project.Services["grafana"], "/etc/grafana/provisioning/dashboards/acquit.yaml"), &grafana)
	if len(grafana.Providers) != 1 {
		t.Fatalf("Grafana's dashboards: %+v", grafana)
	}
	same(t, mounted(t, project.Services["grafana"], path.Join(grafana.Providers[0].Options.Path, filepath.Base(dashboard))), dashboard)
}

// mounted is the file of this machine that a service finds under a path.
func mounted(t *testing.T, s types.ServiceConfig, at string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if inside, err := filepath.Rel(v.Target, at); err == nil && inside != ".." && !strings.HasPrefix(inside, "../") {
			return filepath.Join(v.Source, inside)
		}
	}
	t.Fatalf("%s has nothing mounted at %s", s.Name, at)
	return ""
}

func same(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Stat(b)
	if err != nil || !os.SameFile(one, other) {
		t.Errorf("%s is not %s: %v", a, b, err)
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
