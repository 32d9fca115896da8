// Package readme holds the README to what it says: its links lead somewhere,
// its table is the one in use, and its commands do what a newcomer expects.
package readme

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const root = "../.."

var update = flag.Bool("update", false, "rewrite the README's generated parts")

func readme(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Goal: no link of the README is dead. Method: every relative link target is
// looked for in the tree.
func TestLinksResolve(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme(t), -1)
	if len(links) < 20 {
		t.Fatalf("found only %d links: the test reads the README wrongly", len(links))
	}
	for _, link := range links {
		if _, err := os.Stat(filepath.Join(root, link[1])); err != nil {
			t.Errorf("dead link: %v", err)
		}
	}
}

// Goal: the table that the README shows is the table in use. Method: it is
// rendered anew between its marks; -update writes it.
func TestMappingTableIsCurrent(t *testing.T) {
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	isCurrent(t, "mapping", rendered(table.Rows()))
}

// isCurrent compares a generated part of the README, between its marks, with what it
// should be, or writes it.
func isCurrent(t *testing.T, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+": written by go test ./test/readme -update -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(readme(t), begin)
	shown, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the README has no marks around its part %q", name)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the README's part %q is stale, go test ./test/readme -update (-want +shown):\n%s", name, diff)
	}
}

// evidences are the columns.
func evidences() []payment.Evidence {
	return []payment.Evidence{
		payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky, payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown,
	}
}

// rendered says of each driver, in the order of the rows, how many of its answers
// prove what.
func rendered(rows []mapping.Row) string {
	var out strings.Builder
	out.WriteString("| answers of | rows |")
	for _, e := range evidences() {
		fmt.Fprintf(&out, " %s |", strings.ReplaceAll(string(e), "_", " "))
	}
	out.WriteString(" may go to another account |\n|---|---|" + strings.Repeat("---|", len(evidences())+1) + "\n")
	for len(rows) > 0 {
		driver := rows[0].Driver
		end := slices.IndexFunc(rows, func(r mapping.Row) bool { return r.Driver != driver })
		if end < 0 {
			end = len(rows)
		}
		proves, failover := make(map[payment.Evidence]int), 0
		for _, r := range rows[:end] {
			proves[r.Evidence]++
			if r.Failover {
				failover++
			}
		}
		fmt.Fprintf(&out, "| %s | %d |", driver, end)
		for _, e := range evidences() {
			fmt.Fprintf(&out, " %d |", proves[e])
		}
		fmt.Fprintf(&out, " %d |\n", failover)
		rows = rows[end:]
	}
	return out.String()
}

// Goal: the README's commands work as printed, on an empty machine. Method: the
// first block is run as it stands until it says that it is ready, then every
// line of the third, with the payment's id where it says PAYMENT. The service is
// given free ports, so that it stands in nobody's way, and the lines its address.
func TestCommandsWorkAsPrinted(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) < 3 {
		t.Fatalf("the README has %d blocks of commands, want at least 3", len(blocks))
	}
	if got := strings.TrimSpace(blocks[1][1]); got != "go test ./..." {
		t.Errorf("the README's second command is %q, want the one that passes the tests", got)
	}
	addr := serve(t, strings.TrimSpace(blocks[0][1]))
	payment := ""
	for line := range strings.Lines(blocks[2][1]) {
		out := run(t, strings.ReplaceAll(strings.TrimSpace(line), "PAYMENT", payment)+" --addr "+addr)
		if id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(out); id != "" {
			payment = id
		}
		if !strings.Contains(out, "AUTHORIZED") {
			t.Errorf("%s\nprinted\n%s\nwhich does not say AUTHORIZED", line, out)
		}
	}
}

// environ is the environment without what would configure the service.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ACQUIT_") })
}

// serve starts the service, waits until its banner is complete and returns the
// address of the API.
func serve(t *testing.T, command string) (addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	words := strings.Fields(command)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = root
	cmd.Env = append(environ(), "ACQUIT_DATA_DIR="+t.TempDir(),
		"ACQUIT_GRPC_ADDR=127.0.0.1:0", "ACQUIT_HTTP_ADDR=127.0.0.1:0", "ACQUIT_OPS_ADDR=127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run does not pass signals on
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		_ = cmd.Wait() // what go run says about the signal does not matter
	})
	var banner strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		banner.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "traces:") {
			break
		}
	}
	for _, want := range []string{"SANDBOX, no authentication, loopback only", "ready in", "acquit authorize --amount"} {
		if !strings.Contains(banner.String(), want) {
			t.Fatalf("the banner does not say %q:\n%s\n%s", want, banner.String(), stderr.String())
		}
	}
	found := regexp.MustCompile(`(?m)^grpc (\S+)`).FindStringSubmatch(banner.String())
	if found == nil {
		t.Fatalf("the banner does not say where the API is:\n%s", banner.String())
	}
	return found[1]
}

func run(t *testing.T, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	words := strings.Fields(command)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = root
	cmd.Env = environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}
