package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func secretProperties() []property {
	return []property{
		{"no request that is recorded holds what authenticates it", noSecretBuilt},
		{"another account's tokens stay here", othersTokens},
		{"no answer, log record or error repeats a secret", noSecretRepeated},
	}
}

const cardNumber = "4111 1111 1111 1111"

// leaked is what secret of s a text holds; "" if none. The secrets themselves are
// not told by the failure either.
func (w *world) leaked(s payment.Send, text string) string {
	secrets := map[string]string{
		"the credential": string(w.Credentials[0]), "the other credential": string(w.Credentials[1]), "the provider key": string(s.Key),
		"the provider key as it is sent": string(w.spelled(s.Key)),
		"the caller's key":               string(s.Instruction.IdempotencyKey), "a card number": cardNumber, "a card's digits": strings.ReplaceAll(cardNumber, " ", ""),
	}
	for account, token := range s.Instruction.Tokens {
		secrets["the token of "+string(account)] = token.StoredID
	}
	for what, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			return what
		}
	}
	return ""
}

// Goal: what is hashed, recorded and compared is free of credentials, and so is
// what a look-up's address gives to every log on its way.
func noSecretBuilt(w *world) {
	d := w.New(w.Credentials[0])
	for _, s := range w.writes() {
		r := w.build(d, s)
		w.check(r, s)
		if leak := w.leaked(s, r.Template); leak != "" {
			w.Errorf("%s: the template tells %s", s.Method, leak)
		}
	}
	for _, s := range w.asked() {
		r, err := d.Query(s)
		if leak := w.leaked(s, fmt.Sprint(r, err)); leak != "" {
			w.Errorf("the look-up of a %s tells %s", s.Method, leak)
		}
	}
}

// Goal: a token is shown to the provider whose it is and to nobody else.
func othersTokens(w *world) {
	for _, s := range w.writes() {
		if s.Method != payment.MethodAuthorize || s.Step.Fence() {
			continue
		}
		s.Instruction.Tokens = map[payment.AccountName]payment.Token{
			s.Account: s.Instruction.Tokens[s.Account], "elsewhere": {StoredID: "elsewheres_token"},
		}
		r := w.build(w.New(w.Credentials[0]), s)
		if strings.Contains(fmt.Sprint(r.Path, r.Header, string(r.Body)), "elsewheres_token") {
			w.Errorf("the token of another account is in the request")
		}
	}
}

// Goal: whatever a provider, or something on the way that likes to quote, writes
// into its answer, no secret comes back by it. Method: refusals and objects that
// quote what was sent, as message, code, decline code and id.
//
// Shows R22.
func noSecretRepeated(w *world) {
	for _, s := range w.writes() {
		for _, secret := range []string{string(w.Credentials[0]), string(s.Key), string(w.spelled(s.Key)), s.Instruction.Tokens[s.Account].StoredID, cardNumber} {
			if secret == "" {
				continue
			}
			for what, r := range map[string]providers.Response{
				"in a message":    w.Refused(400, "something_new", "No such thing: '"+secret+"'"),
				"as a code":       w.Refused(402, secret, "no"),
				"everywhere":      quoting(w.Done(s, s.Amount), secret),
				"as an id of its": {Status: 400, Header: http.Header{"Request-Id": {secret}}, Body: w.Refused(400, "something_new", "no").Body},
			} {
				w.server.will(says(r))
				a, _ := w.send(s)
				raw, err := json.Marshal(a)
				if err != nil {
					w.Fatal(err)
				}
				if leak := w.leaked(s, string(raw)); leak != "" {
					w.Errorf("%s, step %s, %s: the answer tells %s", s.Method, s.Step, what, leak)
				}
			}
		}
		if leak := w.leaked(s, w.log.String()); leak != "" {
			w.Errorf("%s, step %s: the log tells %s", s.Method, s.Step, leak)
		}
	}
	if w.log.Len() == 0 {
		w.Errorf("nothing was logged: the property shows nothing")
	}
}

// quoting is a response each of whose strings but the object's own is a secret.
func quoting(r providers.Response, secret string) providers.Response {
	var body any
	if json.Unmarshal(r.Body, &body) != nil {
		return r
	}
	var fill func(v any) any
	fill = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if !slices.Contains([]string{"id", "object", "kind", "parent", "payment_intent", "currency", "reference", "metadata"}, k) {
					v[k] = fill(inner)
				}
			}
		case []any:
			for i := range v {
				v[i] = fill(v[i])
			}
		case string:
			return secret
		}
		return v
	}
	raw, err := json.Marshal(fill(body))
	if err != nil {
		return r
	}
	return providers.Response{Status: r.Status, Header: r.Header, Body: raw}
}

func signProperties() []property {
	return []property{{"signing adds what authenticates, and changes nothing", signsOnly}}
}

// Goal: what is signed is what was hashed. Method: the request before and after
// Sign, with either credential.
func signsOnly(w *world) {
	for _, s := range w.writes() {
		for _, credential := range w.Credentials {
			d := w.New(credential)
			built := w.build(d, s)
			r, err := http.NewRequestWithContext(w.Context(), built.Method, w.server.URL+built.Path, strings.NewReader(string(built.Body)))
			if err != nil {
				w.Fatal(err)
			}
			r.Header = built.Header.Clone()
			before := *r.URL
			ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
			err = d.Sign(ctx, r)
			cancel()
			if err != nil {
				w.Errorf("%s: %v", s.Method, err)
			}
			w.unchanged(built, before, r)
		}
	}
}

// unchanged reports what signing did to a request besides adding headers.
func (w *world) unchanged(built providers.Request, before url.URL, r *http.Request) {
	w.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.Fatal(err)
	}
	if r.Method != built.Method || r.URL == nil || *r.URL != before || string(body) != string(built.Body) {
		w.Errorf("signing changed the request to %s %s %q", r.Method, r.URL, body)
	}
	added := len(r.Header) - len(built.Header)
	kept := http.Header{}
	for name := range built.Header {
		kept[name] = r.Header[name]
	}
	if diff := cmp.Diff(built.Header, kept); diff != "" || added == 0 {
		w.Errorf("signing added %d headers and changed others (-built +signed):\n%s", added, diff)
	}
}
