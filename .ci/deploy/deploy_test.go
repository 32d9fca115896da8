// Package deploy checks deploy/ without a network, a container engine or a
// cluster: what is written there fits together, and fits acquit.
package deploy

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../.."
	directory = root + "/deploy"
	chart     = directory + "/helm/acquit"
	alerts    = directory + "/prometheus/acquit.rules.yml"
	dashboard = directory + "/grafana/acquit.json"
)

// said runs a command and returns what it wrote; it fails the test if the command
// does.
func said(t *testing.T, environ []string, name string, args ...string) []byte {
	t.Helper()
	out, err := try(t, environ, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(t *testing.T, environ []string, name string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), environ...)
	return command.CombinedOutput()
}

// accepted fails the test unless acquit would start with a configuration.
func accepted(t *testing.T, environ []string, file string) {
	t.Helper()
	absolute, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	said(t, environ, "go", "run", "-C", root, "./server/acquit", "config", "check", absolute)
}

// TestDockerfile: the Dockerfile is one, and its own linter has nothing to say.
func TestDockerfile(t *testing.T) {
	raw, err := os.ReadFile(directory + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	read, err := parser.Parse(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, what string, at []parser.Range) { t.Errorf("%s: %s at %v", rule, what, at) }})
	stages, _, err := instructions.Parse(read.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	final := stages[len(stages)-1]
	if !strings.HasPrefix(final.BaseName, "gcr.io/distroless/static") {
		t.Errorf("the image is built on %s", final.BaseName)
	}
	user := ""
	for _, c := range final.Commands {
		if u, ok := c.(*instructions.UserCommand); ok {
			user = u.User
		}
		if _, ok := c.(*instructions.RunCommand); ok {
			t.Error("the image has nothing to run commands with")
		}
	}
	if user != "65532:65532" {
		t.Errorf("the image runs as %q", user)
	}
}

// TestCompose: the compose file is valid, everything it mounts exists, and both
// replicas would start with what they are given.
func TestCompose(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{directory + "/compose/compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	replicas := 0
	for name, service := range project.Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
		if !strings.HasPrefix(name, "acquit-") {
			continue
		}
		replicas++
		var environ []string
		for key, value := range service.Environment {
			environ = append(environ, key+"="+*value)
		}
		accepted(t, environ, directory+"/compose/acquit.yaml")
		if !service.ReadOnly || service.StopGracePeriod == nil || time.Duration(*service.StopGracePeriod) < 40*time.Second {
			t.Errorf("%s: read-only %t, grace %v", name, service.ReadOnly, service.StopGracePeriod)
		}
	}
	if replicas != 2 {
		t.Errorf("there are %d replicas", replicas)
	}
}

// TestCertificates: the script makes what the compose file and its configurations
// name, each key fits its certificate, and a second run changes nothing.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	said(t, nil, "sh", directory+"/compose/certificates.sh", dir)
	for _, name := range []string{"etcd", "acquit", "prometheus"} {
		if _, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")); err != nil {
			t.Error(err)
		}
		said(t, nil, "openssl", "verify", "-CAfile", filepath.Join(dir, "ca.pem"), filepath.Join(dir, name+".pem"))
	}
	before, err := os.ReadFile(filepath.Join(dir, "acquit.pem"))
	if err != nil {
		t.Fatal(err)
	}
	said(t, nil, "sh", directory+"/compose/certificates.sh", dir)
	if after, err := os.ReadFile(filepath.Join(dir, "acquit.pem")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a second run made other certificates: %v", err)
	}
}

// object is a rendered manifest, as far as it is looked at.
type object struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Data       map[string]string `json:"data"`
	Spec       struct {
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int `json:"terminationGracePeriodSeconds"`
				Containers                    []struct {
					Env             []any          `json:"env"`
					SecurityContext map[string]any `json:"securityContext"`
					Lifecycle       struct {
						PreStop struct{ Sleep struct{ Seconds int } }
					}
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// rendered are the manifests that the chart makes for a release.
func rendered(t *testing.T, name string) []string {
	t.Helper()
	out := said(t, nil, "go",
		"tool", "helm", "template", name, chart, "--kube-version", "1.30", "-f", chart+"/ci/values.yaml",
		"--set-file", "monitoring.rules="+alerts, "--set-file", "monitoring.dashboard="+dashboard)
	return strings.Split(string(out), "\n---\n")
}

// TestChart: the chart passes its linter, its manifests have the shape that Kubernetes
// and the Prometheus operator give them,
// acquit would start with the configuration, and no pod is killed while it drains.
func TestChart(t *testing.T) {
	said(t, nil, "go", "tool", "helm", "lint", "--strict", chart, "-f", chart+"/ci/values.yaml")
	kinds, dir := map[string]int{}, t.TempDir()
	for n, text := range rendered(t, "acquit") {
		var o object
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		kinds[o.Kind]++
		if config := o.Data["acquit.yaml"]; config != "" {
			drains(t, config, write(t, filepath.Join(t.TempDir(), "acquit.yaml"), config))
		}
		if o.Kind == "Deployment" {
			pod := o.Spec.Template.Spec
			const drain, after = 30, 5 // drain_timeout, and the flush that follows
			if c := pod.Containers[0]; len(c.Env) != 0 || c.SecurityContext["readOnlyRootFilesystem"] != true ||
				c.Lifecycle.PreStop.Sleep.Seconds == 0 || pod.TerminationGracePeriodSeconds <= c.Lifecycle.PreStop.Sleep.Seconds+drain+after {
				t.Errorf("the pod: %+v", pod)
			}
		}
		write(t, filepath.Join(dir, strconv.Itoa(n)+".yaml"), text)
	}
	for _, kind := range []string{"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Service", "ConfigMap", "ServiceMonitor", "PrometheusRule"} {
		if kinds[kind] == 0 {
			t.Errorf("the chart makes no %s", kind)
		}
	}
	said(t, nil, "go", validate(t, dir)...)
}

// drains checks the configuration of a pod.
func drains(t *testing.T, config, file string) {
	t.Helper()
	accepted(t, nil, file)
	if !strings.Contains(config, "drain_timeout: 30s") {
		t.Errorf("the drain is not bounded as the pod expects:\n%s", config)
	}
}

// TestChartRefuses: what has no right default has to be said.
func TestChartRefuses(t *testing.T) {
	for _, missing := range []string{"tls.secret=", "etcd.endpoints=null", "etcd.tls.secret=", "keys.secret=", "config.accounts=null"} {
		out, err := try(t, nil, "go", "tool", "helm", "template", "acquit", chart, "--kube-version", "1.30", "-f", chart+"/ci/values.yaml", "--set", missing)
		if key, _, _ := strings.Cut(missing, "="); err == nil || !strings.Contains(string(out), key) {
			t.Errorf("--set %s: %v\n%s", missing, err, out)
		}
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
