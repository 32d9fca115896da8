package amazonpay

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"testing"
)

// Goal: what is signed is what Amazon's own libraries sign. Method: the vectors of
// Amazon's Java library, as a request each; every step against theirs.
func TestCanonicalRequest(t *testing.T) {
	var vectors struct {
		FixedHeaders map[string]string `json:"fixed_headers"`
		Cases        []struct {
			Name             string              `json:"name"`
			URI              string              `json:"uri"`
			Method           string              `json:"method"`
			Parameters       map[string][]string `json:"parameters"`
			Payload          string              `json:"payload"`
			CanonicalRequest string              `json:"canonicalRequest"`
			StringToSign     string              `json:"stringToSign"`
		} `json:"cases"`
	}
	raw, err := os.ReadFile("testdata/string-to-sign.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors.Cases) != 10 {
		t.Fatalf("%d vectors, error %v", len(vectors.Cases), err)
	}
	for _, c := range vectors.Cases {
		u, err := url.Parse(c.URI)
		if err != nil {
			t.Fatal(err)
		}
		u.RawQuery = url.Values(c.Parameters).Encode()
		r := &http.Request{Method: c.Method, URL: u, Header: http.Header{}}
		for name, value := range vectors.FixedHeaders {
			r.Header.Set(name, value)
		}
		canonical, names := canonicalRequest(r, []byte(c.Payload))
		want := c.CanonicalRequest
		if canonical != want || stringToSign(AlgorithmV1, canonical) != c.StringToSign {
			t.Errorf("%s: canonical request\n%q, want\n%q\nto sign %q, want %q", c.Name, canonical, want, stringToSign(AlgorithmV1, canonical), c.StringToSign)
		}
		if names != "accept;content-type;x-amz-pay-date;x-amz-pay-host;x-amz-pay-region" {
			t.Errorf("%s: signed headers %s", c.Name, names)
		}
	}
}

// Goal: a body is signed as it is sent, and what can be read once is not read.
func TestBodyIsCopied(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://pay-api.amazon.eu/v2/charges", bytes.NewReader([]byte("body")))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if body, err := bodyOf(r); err != nil || string(body) != "body" {
			t.Errorf("body %q, error %v", body, err)
		}
	}
	r.GetBody = nil
	if _, err := bodyOf(r); err == nil {
		t.Error("a body that can be read only once was read")
	}
}
