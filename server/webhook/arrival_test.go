package webhook_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/server/webhook"
)

func nothing(providers.Delivery) (providers.Told, error) { return providers.Told{}, nil }

// slow is a delivery whose head has arrived, and whose body is being waited for.
type slow struct {
	body  *io.PipeWriter
	reply chan reply
}

// slowly begins a delivery, and returns when the server reads its body: it asks for it then.
func slowly(t *testing.T, client *http.Client, url string) slow {
	t.Helper()
	body, feed := io.Pipe()
	t.Cleanup(func() { _ = feed.Close() })
	asked, one := make(chan struct{}), slow{feed, make(chan reply, 1)}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(asked) }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/webhooks/main", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	go func() {
		resp, err := client.Do(r)
		if err != nil {
			one.reply <- reply{Body: err.Error()}
			return
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body) // what is missing shows in the comparison
		one.reply <- reply{resp.StatusCode, string(raw), resp.Header.Get("Retry-After") != ""}
	}()
	select {
	case <-asked:
	case got := <-one.reply:
		t.Fatalf("answered %+v before the body was read", got)
	}
	return one
}

// Goal: senders that take their time keep nobody out, and do not grow in number: the
// oldest gives way, and the rest is taken in when it comes. Method: as many of them as may
// be, by each version of HTTP, beside deliveries that come whole.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	for name, second := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t, nothing, nil, func(c *webhook.Config) { c.MaxAtOnce = 3 })
			server := httptest.NewUnstartedServer(s.Handler)
			server.EnableHTTP2 = second
			server.StartTLS()
			t.Cleanup(server.Close)
			client := server.Client()
			transport, ok := client.Transport.(*http.Transport)
			if !ok {
				t.Fatalf("the client's transport is a %T", client.Transport)
			}
			transport.ExpectContinueTimeout = time.Hour
			oldest, middle, last := slowly(t, client, server.URL), slowly(t, client, server.URL), slowly(t, client, server.URL)
			for range 3 {
				if got := s.send(http.MethodPost, "/webhooks/main", strings.NewReader("{}")); got.Status != http.StatusOK {
					t.Errorf("one that comes whole: %+v", got)
				}
			}
			if got := <-oldest.reply; got != (reply{503, "too many webhooks at once", true}) {
				t.Errorf("the oldest: %+v", got)
			}
			for _, one := range []slow{middle, last} {
				_, _ = io.WriteString(one.body, "{}") // what goes wrong shows in the answer
				_ = one.body.Close()
				if got := <-one.reply; got != (reply{200, "[accepted]", false}) {
					t.Errorf("one that had room: %+v", got)
				}
			}
			if diff := cmp.Diff(map[string]int64{"main accepted": 5, "main unavailable": 1}, s.results()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

// piped is a listener that has one connection, through memory, and no other.
type piped chan net.Conn

func (p piped) Accept() (net.Conn, error) {
	if conn, open := <-p; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p piped) Close() error { return nil }

func (p piped) Addr() net.Addr { return &net.TCPAddr{} }

// Goal: a body that does not come ends, and is counted as slow. Method: a head without
// one, in a bubble of fake time.
func TestBodyThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := handler(t, nothing, nil)
		ours, theirs := net.Pipe()
		on := make(piped, 1)
		on <- theirs
		server := &http.Server{Handler: s.Handler, ReadHeaderTimeout: time.Hour}
		go func() { _ = server.Serve(on) }()
		defer server.Close()
		defer close(on)
		began := time.Now()
		go func() {
			_, _ = fmt.Fprint(ours, "POST /webhooks/main HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(ours), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if took := time.Since(began); resp.StatusCode != http.StatusRequestTimeout || took != 10*time.Second {
			t.Errorf("answered %d after %s", resp.StatusCode, took)
		}
		if got := s.results(); got["main slow"] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

// Goal: whatever an event can become is a series from the start. Method: the
// orchestrator's source, which has a constant for each.
func TestEveryResultIsThereFromTheStart(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../orchestrator/event.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	there, constants := handler(t, nothing, nil).counter(), 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Taken" {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				t.Fatalf("a constant is a %T", value)
			}
			taken, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := there["main "+taken]; !ok {
				t.Errorf("%s has no series", taken)
			}
			constants++
		}
		return true
	})
	if constants < 8 {
		t.Errorf("only %d constants were found", constants)
	}
}
