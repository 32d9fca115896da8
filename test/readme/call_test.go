//go:build stubs

package readme

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Goal: the README's lines for grpcurl and buf work as printed and show what the
// README says: the second gets the answer of the first. Method: the shell runs
// them with the tools of .ci/tools in its path, at the address of a service that
// was started for them; the first has to bring a payment, and both the same one. The
// tools are large: where nothing is built yet, building them takes longer than go test
// gives a package, so they are not for whoever has just cloned the repository.
func TestCallsWorkAsPrinted(t *testing.T) {
	block := regexp.MustCompile("(?s)```\n(grpcurl .*?\nbuf curl .*?)```").FindStringSubmatch(readme(t))
	if block == nil {
		t.Fatal("the README shows no grpcurl line followed by one for buf")
	}
	addr, path := serve(t, "go run ./server/acquit serve"), tools(t, "grpcurl", "buf")
	var payments []string
	for line := range strings.Lines(block[1]) {
		if !strings.Contains(line, "127.0.0.1:7400") {
			t.Fatalf("the line does not call where serve listens: %s", line)
		}
		out := shell(t, path, strings.ReplaceAll(line, "127.0.0.1:7400", addr))
		if !strings.Contains(out, "OPERATION_STATE_SUCCEEDED") {
			t.Errorf("%s\nprinted\n%s\nwhich does not say that it succeeded", line, out)
		}
		payments = append(payments, regexp.MustCompile(`"paymentId": *"([^"]+)"`).FindString(out))
	}
	if len(payments) != 2 || payments[0] == "" || payments[0] != payments[1] {
		t.Errorf("the lines brought the payments %q, want one and the same", payments)
	}
}

// tools is a directory with the tools, under the names that the README calls them by.
func tools(t *testing.T, names ...string) string {
	t.Helper()
	module, err := filepath.Abs(filepath.Join(root, ".ci", "tools", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		script := fmt.Sprintf("#!/bin/sh\nexec go tool -modfile='%s' %s \"$@\"\n", module, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shell runs a line as a person would, with the tools first in the path. The time
// is for a machine that has to build them.
func shell(t *testing.T, path, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = root
	cmd.Env = append(environ(), "PATH="+path+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}
