package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/server/webhook"
)

// account says of every delivery what a test says.
type account struct {
	name payment.AccountName
	says func(providers.Delivery) (providers.Told, error)
}

func (a account) Name() payment.AccountName { return a.name }

func (a account) Webhook(_ context.Context, d providers.Delivery) (providers.Told, error) {
	return a.says(d)
}

// taker takes in what a test says.
type taker func(ctx context.Context, e payment.Event) (orchestrator.Taken, error)

func (t taker) Apply(ctx context.Context, e payment.Event) (orchestrator.Taken, error) {
	return t(ctx, e)
}

// stand is a handler behind a real server, with everything that it reports.
type stand struct {
	*webhook.Handler
	t      *testing.T
	url    string
	log    bytes.Buffer
	spans  *tracetest.InMemoryExporter
	reader *sdkmetric.ManualReader
}

// open makes a handler, and serves it.
func open(t *testing.T, says func(providers.Delivery) (providers.Told, error), takes taker, change ...func(*webhook.Config)) *stand {
	t.Helper()
	s := handler(t, says, takes, change...)
	server := httptest.NewServer(s.Handler)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// handler makes a handler that nothing serves yet.
func handler(t *testing.T, says func(providers.Delivery) (providers.Told, error), takes taker, change ...func(*webhook.Config)) *stand {
	t.Helper()
	s := &stand{t: t, spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	c := webhook.Config{
		Accounts: []webhook.Account{account{"main", says}}, Taker: takes, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		Tracer: sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans)), Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)),
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	if s.Handler, err = webhook.New(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// reply is what a provider gets.
type reply struct {
	Status int
	Body   string
	Retry  bool // it is told when to come again
}

func (s *stand) send(method, path string, body io.Reader) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Some-Signature", "PLANTEDSIGNATURE")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, string(raw), resp.Header.Get("Retry-After") != ""}
}

// results are the counter by account and result, as far as it has counted.
func (s *stand) results() map[string]int64 {
	s.t.Helper()
	got := s.counter()
	maps.DeleteFunc(got, func(_ string, n int64) bool { return n == 0 }) // all results of an account are there from the start
	return got
}

// counter is the counter by account and result.
func (s *stand) counter() map[string]int64 {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(s.t.Context(), &all); err != nil {
		s.t.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				s.t.Fatalf("metric %s is no counter", m.Name)
			}
			for _, p := range sum.DataPoints {
				name, _ := p.Attributes.Value("payment.account")
				result, _ := p.Attributes.Value("acquit.webhook.result")
				got[name.AsString()+" "+result.AsString()] += p.Value
			}
		}
	}
	return got
}

func events(ids ...string) []payment.Event {
	var all []payment.Event
	for _, id := range ids {
		all = append(all, payment.Event{EventKey: payment.EventKey{Account: "main", ID: id}})
	}
	return all
}

// Goal: every delivery has its own answer and is counted as what it is, events apart
// from deliveries; nothing that it holds shows in answer, log or span. Method: every
// way in which one ends.
//
// Shows R51.
func TestAnswers(t *testing.T) {
	says := func(told providers.Told, err error) func(providers.Delivery) (providers.Told, error) {
		return func(providers.Delivery) (providers.Told, error) { return told, err }
	}
	takes := func(of map[string]orchestrator.Taken) taker {
		return func(_ context.Context, e payment.Event) (orchestrator.Taken, error) {
			if of[e.ID] == "" {
				return "", &payment.Error{Reason: payment.ReasonLedgerUnavailable, Message: "the ledger is away"}
			}
			return of[e.ID], nil
		}
	}
	all := map[string]orchestrator.Taken{"1": orchestrator.TakenSettled, "2": orchestrator.TakenDuplicate, "3": orchestrator.TakenOrphan}
	type want struct {
		reply  reply
		counts map[string]int64
	}
	accepted := reply{Status: 200, Body: "[accepted]"}
	for name, c := range map[string]struct {
		method, path string
		says         func(providers.Delivery) (providers.Told, error)
		body         string
		want         want
	}{
		"taken in": {says: says(providers.Told{Events: events("1", "2", "3"), Unread: []string{"a", "b"}}, nil), want: want{
			accepted, map[string]int64{"main accepted": 1, "main settled": 1, "main duplicate": 1, "main orphan": 1, "main unread": 2},
		}},
		"of no use":              {says: says(providers.Told{Unread: []string{"a"}}, nil), want: want{accepted, map[string]int64{"main accepted": 1, "main unread": 1}}},
		"the ledger is away":     {says: says(providers.Told{Events: events("1", "away", "2")}, nil), want: want{reply{503, "it could not be recorded; bring it again", true}, map[string]int64{"main settled": 1, "main unavailable": 1}}},
		"forged":                 {says: says(providers.Told{}, fmt.Errorf("w: %w", providers.ErrForged)), want: want{reply{401, "it is not signed by the provider", false}, map[string]int64{"main forged": 1}}},
		"forged in part":         {says: says(providers.Told{Events: events("1"), Forged: 2}, nil), want: want{reply{401, "2 of its events are not signed by the provider", false}, map[string]int64{"main settled": 1, "main forged": 1}}},
		"stale":                  {says: says(providers.Told{}, fmt.Errorf("w: %w", providers.ErrStale)), want: want{reply{400, "its signature is too old, or from the future", false}, map[string]int64{"main stale": 1}}},
		"malformed":              {says: says(providers.Told{}, fmt.Errorf("w: %w", providers.ErrMalformed)), want: want{reply{400, "it cannot be read", false}, map[string]int64{"main malformed": 1}}},
		"nobody can tell":        {says: says(providers.Told{}, errors.New("no keys")), want: want{reply{503, "it could not be verified now; bring it again", true}, map[string]int64{"main unavailable": 1}}},
		"without secrets":        {says: says(providers.Told{}, fmt.Errorf("w: %w", providers.ErrUnsupported)), want: want{reply{404, "no account of that name takes webhooks: it has no webhook_secrets", false}, map[string]int64{"main unknown_account": 1}}},
		"a panic":                {says: func(d providers.Delivery) (providers.Told, error) { panic(string(d.Body)) }, want: want{reply{503, "it could not be taken in; bring it again", true}, map[string]int64{"main unavailable": 1}}},
		"too large":              {body: strings.Repeat("x", 256<<10+1), want: want{reply{413, "a webhook has at most 262144 bytes", false}, map[string]int64{"main too_large": 1}}},
		"no account of the name": {path: "/webhooks/secretname", want: want{reply{404, "no account of that name takes webhooks", false}, map[string]int64{" unknown_account": 1}}},
		"no name":                {path: "/webhooks/", want: want{reply{404, "no account of that name takes webhooks", false}, map[string]int64{" unknown_account": 1}}},
		"a longer path":          {path: "/webhooks/main/x", want: want{reply{404, "no account of that name takes webhooks", false}, map[string]int64{" unknown_account": 1}}},
		"another path":           {path: "/", want: want{reply{404, "webhooks are at /webhooks/ACCOUNT", false}, map[string]int64{}}},
		"a GET":                  {method: http.MethodGet, want: want{reply{405, "webhooks are sent by POST", false}, map[string]int64{"main method": 1}}},
		"a PUT":                  {method: http.MethodPut, want: want{reply{405, "webhooks are sent by POST", false}, map[string]int64{"main method": 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.method == "" {
				c.method = http.MethodPost
			}
			if c.path == "" {
				c.path = "/webhooks/main"
			}
			s := open(t, c.says, takes(all))
			got := s.send(c.method, c.path, strings.NewReader("PLANTEDBODY"+c.body))
			if diff := cmp.Diff(c.want.reply, got); diff != "" {
				t.Errorf("answered (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want.counts, s.results()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			if shown := s.log.String() + fmt.Sprint(s.spans.GetSpans()) + got.Body; strings.Contains(shown, "PLANTED") || strings.Contains(shown, "secretname") {
				t.Errorf("it shows what was delivered:\n%s", shown)
			}
		})
	}
}

// Goal: the guard gets the delivery as it arrived, with its time. Method: a body of
// bytes that any reading would change, as large as may be.
func TestTheGuardGetsTheRawDelivery(t *testing.T) {
	at := time.Unix(1000, 0)
	body := append([]byte("\xff\x00{ \"a\":1}\r\n "), bytes.Repeat([]byte("x"), 256<<10-13)...)
	s := open(t, func(d providers.Delivery) (providers.Told, error) {
		if !bytes.Equal(d.Body, body) || !d.Received.Equal(at) || d.Method != http.MethodPost || d.Path != "/webhooks/main" || d.Header.Get("Some-Signature") != "PLANTEDSIGNATURE" {
			t.Errorf("got %d bytes, %s %s at %s, header %v", len(d.Body), d.Method, d.Path, d.Received, d.Header)
		}
		return providers.Told{}, nil
	}, nil, func(c *webhook.Config) { c.Now = func() time.Time { return at } })
	for _, reader := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} { // with and without a length
		if got := s.send(http.MethodPost, "/webhooks/main", reader); got.Status != http.StatusOK {
			t.Errorf("answered %+v", got)
		}
	}
	if got := s.send(http.MethodPost, "/webhooks/main", io.MultiReader(bytes.NewReader(body), strings.NewReader("x"))); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte more, without a length: %+v", got)
	}
}

// Goal: deliveries are taken in side by side, but not more than may be. Method: as
// many as may be wait inside; one more is told to come again, and taken in later.
func TestTooManyAtOnce(t *testing.T) {
	inside, let := make(chan struct{}), make(chan struct{})
	s := open(t, func(providers.Delivery) (providers.Told, error) {
		inside <- struct{}{}
		<-let
		return providers.Told{}, nil
	}, nil, func(c *webhook.Config) { c.MaxAtOnce = 3 })
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if got := s.send(http.MethodPost, "/webhooks/main", nil); got.Status != http.StatusOK {
				t.Errorf("answered %+v", got)
			}
		})
		<-inside
	}
	if got := s.send(http.MethodPost, "/webhooks/main", nil); got != (reply{503, "too many webhooks at once", true}) {
		t.Errorf("one more: %+v", got)
	}
	close(let)
	all.Wait()
	go func() { <-inside }()
	if got := s.send(http.MethodPost, "/webhooks/main", nil); got.Status != http.StatusOK {
		t.Errorf("later: %+v", got)
	}
}

// Goal: a drain takes nothing in any more and ends when what was being taken in is;
// a provider that hangs up cuts nothing off. Method: a delivery whose event is being
// written when its client goes, and the drain comes.
func TestDrain(t *testing.T) {
	inside, let, done := make(chan context.Context), make(chan struct{}), make(chan error, 1)
	s := open(t, func(providers.Delivery) (providers.Told, error) { return providers.Told{Events: events("1")}, nil },
		func(ctx context.Context, _ payment.Event) (orchestrator.Taken, error) {
			inside <- ctx
			<-let
			return orchestrator.TakenSettled, nil
		})
	ctx, hangUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/webhooks/main", nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			t.Error("it was answered before it was taken in")
		}
	}()
	writing := <-inside
	hangUp()
	<-gone
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a drain that may not wait: %v", err)
	}
	go func() { done <- s.Drain(t.Context()) }()
	if got := s.send(http.MethodPost, "/webhooks/main", nil); got != (reply{503, "this process is stopping", true}) {
		t.Errorf("while it drains: %+v", got)
	}
	if writing.Err() != nil {
		t.Error("what was being taken in was cut off")
	}
	select {
	case err := <-done:
		t.Fatalf("drained before it was taken in: %v", err)
	default:
	}
	close(let)
	if err := <-done; err != nil {
		t.Errorf("drain: %v", err)
	}
	if got := s.results(); got["main settled"] != 1 || got["main accepted"] != 1 {
		t.Errorf("counted %v", got)
	}
}

// Goal: each delivery leaves one span of a server, which is an error if it was not
// taken in. Method: one that is and one that is not.
func TestSpans(t *testing.T) {
	for err, want := range map[error]codes.Code{nil: codes.Unset, providers.ErrForged: codes.Error} {
		s := open(t, func(providers.Delivery) (providers.Told, error) { return providers.Told{}, err }, nil)
		status := s.send(http.MethodPost, "/webhooks/main", nil).Status
		spans := s.spans.GetSpans()
		if len(spans) != 1 || spans[0].Name != "POST /webhooks/{account}" || spans[0].Status.Code != want || spans[0].SpanKind.String() != "server" {
			t.Fatalf("with error %v: %+v", err, spans)
		}
		attributes := attribute.NewSet(spans[0].Attributes...)
		if got, _ := attributes.Value("http.response.status_code"); got.AsInt64() != int64(status) {
			t.Errorf("the span says %d of %d", got.AsInt64(), status)
		}
	}
}
