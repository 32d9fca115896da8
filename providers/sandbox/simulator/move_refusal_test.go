package simulator_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: what no authorization can take is refused in words, has no effect, and
// leaves no trace under the key, so that the same request may be taken later.
func TestRefusedBeforeExecution(t *testing.T) {
	h := start(t, simulator.Config{})
	good := `{"reference":"R","amount":10,"currency":"EUR"}`
	held, action := h.hold(t, "tok_ok", false), h.hold(t, "tok_requires_action", false)
	declined := idIn(t, h.post(t, "declined", body("tok_decline_generic")))
	taken := idIn(t, h.move(t, simulator.KindCapture, held, "taken", 10))
	for name, c := range map[string]struct {
		parent, key, body string
		want              got
	}{
		"no such authorization":       {"auth_none", testKey, good, got{404, "no_such_authorization"}},
		"an object of another kind":   {taken, testKey, good, got{404, "no_such_authorization"}},
		"a declined authorization":    {declined, testKey, good, got{409, "nothing_held"}},
		"an unfinished authorization": {action, testKey, good, got{409, "nothing_held"}},
		"another currency":            {held, testKey, strings.Replace(good, "EUR", "USD", 1), got{400, "invalid_request"}},
		"no currency":                 {held, testKey, strings.Replace(good, "EUR", "", 1), got{400, "invalid_request"}},
		"an amount of nothing":        {held, testKey, strings.Replace(good, "10", "0", 1), got{400, "invalid_request"}},
		"a negative amount":           {held, testKey, strings.Replace(good, "10", "-10", 1), got{400, "invalid_request"}},
		"no reference":                {held, testKey, strings.Replace(good, `"R"`, `""`, 1), got{400, "invalid_request"}},
		"no key":                      {held, "", good, got{400, "invalid_request"}},
		"no JSON":                     {held, testKey, "{", got{400, "invalid_request"}},
	} {
		for _, verb := range []simulator.Kind{simulator.KindCapture, simulator.KindRefund} {
			if a := h.ask(t, verb, c.parent, c.key, c.body); a.got != c.want {
				t.Errorf("%s of %s: %v %s, want %v", verb, name, a.got, a.Body, c.want)
			}
		}
	}
	h.get(t, "/v1/actions/"+action)
	if a := h.ask(t, simulator.KindCapture, action, testKey, good); a.got != (got{200, "succeeded"}) || a.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the same request later: %v %s", a.got, a.Body)
	}
	if _, n := h.sum(t, simulator.KindCapture, held); n != 1 {
		t.Errorf("%d captures, want 1", n)
	}
	r, err := http.NewRequest(http.MethodPost, h.url+"/v1/authorizations/"+held+"/void", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", "foreign")
	r.Header.Set("Sandbox-Merchant", "another")
	if a := h.do(t, r); a.got != (got{404, "no_such_authorization"}) {
		t.Errorf("another merchant's authorization: %v", a.got)
	}
	if r, err = http.NewRequest(http.MethodGet, h.url+"/v1/authorizations/"+held, nil); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sandbox-Merchant", "another")
	if a := h.do(t, r); a.got != (got{404, "not_found"}) {
		t.Errorf("a look-up of another merchant's authorization: %v", a.got)
	}
}

// Goal: a key belongs to one request: with the same body, another verb or another
// authorization is another request.
func TestKeyIsTiedToVerbAndAuthorization(t *testing.T) {
	h := start(t, simulator.Config{})
	one, other := h.hold(t, "tok_ok", true), h.hold(t, "tok_ok", true)
	if a := h.move(t, simulator.KindRefund, one, testKey, 10); a.got != (got{200, "succeeded"}) {
		t.Fatalf("the refund: %v", a.got)
	}
	for name, a := range map[string]answer{
		"another authorization": h.move(t, simulator.KindRefund, other, testKey, 10),
		"another verb":          h.move(t, simulator.KindCapture, one, testKey, 10),
		"an authorization":      h.post(t, testKey, body("tok_ok")),
		"another amount":        h.move(t, simulator.KindRefund, one, testKey, 11),
	} {
		if a.got != (got{422, "key_reused"}) {
			t.Errorf("%s: %v", name, a.got)
		}
	}
	if sum, _ := h.sum(t, simulator.KindRefund, one); sum != 10 {
		t.Errorf("refunded %d, want 10", sum)
	}
}
