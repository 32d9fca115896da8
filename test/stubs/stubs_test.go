//go:build stubs

package stubs

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors/caller"
)

// example is a caller in some language: the commands that install what is pinned,
// generate the stubs and compile them with it, and the one that runs it.
type example struct {
	dir   string
	build [][]string
	run   []string
}

func examples(t *testing.T) []example {
	t.Helper()
	const proto = "../../../proto"
	python := filepath.Join(".venv", "bin", "python")
	protoc := []string{
		python, "-m", "grpc_tools.protoc", "-I", proto, "-I", proto + "/third_party",
		"--python_out=gen", "--pyi_out=gen", "--grpc_python_out=gen", "buf/validate/validate.proto",
	}
	contract, err := filepath.Glob("../../proto/acquit/v1/*.proto")
	if err != nil || len(contract) == 0 {
		t.Fatalf("the contract has no files: %v", err)
	}
	for _, file := range contract {
		protoc = append(protoc, "acquit/v1/"+filepath.Base(file))
	}
	return []example{
		{
			dir: "typescript",
			build: [][]string{
				{"npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"},
				{"go", "tool", "-modfile=../../../.ci/tools/go.mod", "buf", "generate", "--template", "buf.gen.yaml"},
				{"npm", "run", "--silent", "build"},
			},
			run: []string{"node", "dist/src/caller.js"},
		},
		{
			dir: "python",
			build: [][]string{
				{"sh", "-c", "test -x " + python + " || python3 -m venv .venv"},
				{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r", "requirements.txt"},
				{"mkdir", "-p", "gen"},
				protoc,
				{python, "-m", "compileall", "-q", "gen", "caller.py"},
			},
			run: []string{"env", "PYTHONPATH=gen", python, "caller.py"},
		},
		{
			dir:   "java",
			build: [][]string{{"env", "MAVEN_OPTS=-XX:TieredStopAtLevel=1", "mvn", "--quiet", "--batch-mode", "--no-transfer-progress", "compile"}}, // too short to optimize
			run:   []string{"java", "-cp", "target/classes" + string(os.PathListSeparator) + "target/dependency/*", "com.example.Caller"},
		},
	}
}

// says is what every example prints: a payment, the same key again, a decline, an
// answer that was interim at first, and a refusal with its reason and its field.
const says = `first SUCCEEDED ([0-9a-f-]{36}) new
again SUCCEEDED ([0-9a-f-]{36}) replayed
declined DECLINED insufficient_funds
late SUCCEEDED repeated
refused (?:INVALID_ARGUMENT|InvalidArgument) REQUEST_INVALID amount
`

// Goal: each language's stubs compile, and a caller made with them gets what the
// contract promises: one payment for one key however often it asks, declines as
// answers, the outcome behind an interim answer, reasons that a program can read.
// Method: the examples are built from what is pinned and run against a live
// process; what they print is compared, and the payments are counted.
func TestExamples(t *testing.T) {
	t.Parallel()
	address := serve(t)
	for _, e := range examples(t) {
		t.Run(e.dir, func(t *testing.T) {
			t.Parallel()
			for _, command := range e.build {
				began := time.Now()
				e.execute(t, command)
				t.Logf("%s: %.1f s", strings.Join(command[:min(4, len(command))], " "), time.Since(began).Seconds())
			}
			out := e.execute(t, append(e.run, address, e.dir))
			said := regexp.MustCompile("^" + says + "$").FindStringSubmatch(out)
			if said == nil {
				t.Fatalf("it printed\n%s, want\n%s", out, says)
			}
			if said[1] != said[2] {
				t.Errorf("the same key gave the payments %s and %s", said[1], said[2])
			}
			for order, want := range map[string]int{"paid": 1, "declined": 1, "late": 1, "refused": 0} {
				if got := count(t, address, e.dir+"-"+order); got != want {
					t.Errorf("%s: %d payments, want %d", order, got, want)
				}
			}
		})
	}
}

// execute runs one command of an example and returns what it printed.
func (e example) execute(t *testing.T, command []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = e.dir
	cmd.WaitDelay = 5 * time.Second
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// count is how many payments an order has.
func count(t *testing.T, address, order string) int {
	t.Helper()
	conn, err := grpc.NewClient(address, append(caller.DialOptions(caller.Config{}), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	list, err := acquitv1.NewPaymentServiceClient(conn).ListPayments(ctx, &acquitv1.ListPaymentsRequest{MerchantReference: order})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.GetPayments())
}

// serve builds and starts acquit on free ports, with a provider that is given up
// on after 4 s: longer than a call of the examples, so that it gets an interim
// answer. It returns the address of the API.
func serve(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "acquit")
	example{dir: "../.."}.execute(t, []string{"go", "build", "-o", binary, "./server/acquit"})
	cmd := exec.Command(binary, "serve", "--data-dir", t.TempDir(),
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	cmd.Env = append(environ(), "ACQUIT_OPERATION__ATTEMPT_TIMEOUT=4s")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("acquit ended with %v\n%s", err, errs.String())
		}
	})
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // a banner that does not come
	defer stop.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := regexp.MustCompile(`^grpc (\S+)`).FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
	}
	t.Fatalf("acquit said no address: %s", errs.String())
	return ""
}

// environ is the environment without what would configure the service.
func environ() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ACQUIT_") {
			kept = append(kept, v)
		}
	}
	return kept
}
