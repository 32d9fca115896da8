package jaeger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// Trace is a trace as Jaeger's API tells it.
type Trace struct {
	ID    string `json:"traceID"`
	Spans []Span `json:"spans"`
}

// Span is one span of it.
type Span struct {
	Trace      string      `json:"traceID"`
	ID         string      `json:"spanID"`
	Name       string      `json:"operationName"`
	Start      int64       `json:"startTime"` // microseconds
	Duration   int64       `json:"duration"`  // microseconds
	References []Reference `json:"references"`
	Tags       []Tag       `json:"tags"`
}

// Reference is what a span says about another: CHILD_OF its parent, FOLLOWS_FROM what it
// links to.
type Reference struct {
	Type  string `json:"refType"`
	Trace string `json:"traceID"`
	Span  string `json:"spanID"`
}

// Tag is an attribute of a span.
type Tag struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// Tag is the text of an attribute; "" if there is none.
func (s Span) Tag(key string) string {
	for _, t := range s.Tags {
		if t.Key == key {
			return fmt.Sprint(t.Value)
		}
	}
	return ""
}

// Linked reports whether s links to o.
func (s Span) Linked(o Span) bool {
	return slices.Contains(s.References, Reference{"FOLLOWS_FROM", o.Trace, o.ID})
}

// Parent is the id of the span within which s was; "" for the first of a trace.
func (s Span) Parent() string {
	for _, r := range s.References {
		if r.Type == "CHILD_OF" {
			return r.Span
		}
	}
	return ""
}

// Named are the spans of a name, in the order of time.
func (t Trace) Named(name string) []Span {
	return slices.DeleteFunc(slices.Clone(t.Spans), func(s Span) bool { return s.Name != name })
}

// Services are the services that Jaeger has spans of.
func (j *Jaeger) Services(ctx context.Context) ([]string, error) {
	var all struct{ Data []string }
	return all.Data, j.read(ctx, "/api/services", nil, &all)
}

// Of are the traces that say that they are about a payment, in the order of time.
func (j *Jaeger) Of(ctx context.Context, payment string) ([]Trace, error) {
	tags, err := json.Marshal(map[string]string{"payment.id": payment})
	if err != nil {
		return nil, err
	}
	return j.find(ctx, url.Values{"tags": {string(tags)}})
}

// Webhooks are the traces of webhooks.
func (j *Jaeger) Webhooks(ctx context.Context) ([]Trace, error) {
	return j.find(ctx, url.Values{"operation": {"POST /webhooks/{account}"}})
}

func (j *Jaeger) find(ctx context.Context, about url.Values) ([]Trace, error) {
	about.Set("service", "acquit")
	about.Set("lookback", "1h")
	about.Set("limit", "100")
	var all struct{ Data []Trace }
	err := j.read(ctx, "/api/traces", about, &all)
	for _, t := range all.Data {
		slices.SortFunc(t.Spans, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	}
	slices.SortFunc(all.Data, func(a, b Trace) int { return cmp.Compare(a.Spans[0].Start, b.Spans[0].Start) })
	return all.Data, err
}

func (j *Jaeger) read(ctx context.Context, path string, about url.Values, into any) error {
	raw, err := j.get(ctx, path, about)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// get asks, and wants a 200.
func (j *Jaeger) get(ctx context.Context, path string, about url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.Query+path+"?"+about.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client().Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, raw)
	}
	return raw, err
}
