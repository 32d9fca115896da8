package server

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// safeBuffer is written by a server while a test reads it.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running is a server in this process.
type running struct {
	Addresses

	out, log safeBuffer
	stop     context.CancelFunc // what a signal does
	done     chan error         // what Run returned
}

// start runs a server on free ports with an embedded ledger and simulator under
// a temporary directory, and waits until it is ready. The test need not stop it.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	c := Default()
	c.GRPCAddr, c.HTTPAddr, c.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.DataDir = t.TempDir()
	if change != nil {
		change(&c)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{stop: stop, done: make(chan error, 1)}
	ready := make(chan Addresses, 1)
	go func() {
		r.done <- Run(ctx, c, Process{Stdout: &r.out, Stderr: &r.log, Ready: func(a Addresses) { ready <- a }})
	}()
	t.Cleanup(func() {
		stop()
		if err := r.wait(t); err != nil {
			t.Errorf("run: %v", err)
		}
		if t.Failed() {
			t.Logf("log of the server:\n%s", &r.log)
		}
	})
	select {
	case r.Addresses = <-ready:
	case err := <-r.done:
		r.done <- err
		t.Fatalf("the server did not start: %v\n%s", err, &r.log)
	case <-time.After(time.Minute):
		t.Fatal("the server did not start in a minute")
	}
	return r
}

// wait returns what Run returned, as often as it is asked.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(time.Minute):
		t.Fatalf("the server did not stop in a minute\n%s", &r.log)
		return nil
	}
}

// dial connects to the API.
func (r *running) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(r.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ops asks the ops listener and returns the status code.
func (r *running) ops(t *testing.T, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Ops+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// withKey is a context for one keyed call.
func withKey(t *testing.T, key string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "idempotency-key", key)
}

// request asks for ten euro by a token of the simulator.
func request(token string) *acquitv1.AuthorizeRequest {
	return &acquitv1.AuthorizeRequest{
		Amount: &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Account: "sandbox", Token: &acquitv1.AccountToken_StoredId{StoredId: token}}},
		}}},
	}
}

// binary builds the command once per test run.
func binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildDir holds the built command; TestMain makes and removes it.
var buildDir string

var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "acquit")
	if out, err := exec.Command("go", "build", "-o", path, "./acquit").CombinedOutput(); err != nil {
		return "", &buildError{string(out)}
	}
	return path, nil
})

type buildError struct{ output string }

func (e *buildError) Error() string { return "go build ./acquit:\n" + e.output }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "acquit-test-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
