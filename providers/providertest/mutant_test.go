package providertest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// mutant is a driver with one guarantee broken, and the property that catches it.
type mutant struct {
	name   string
	caught string // group/property
	mutate func(d *broken)
}

// broken is a driver whose methods can be replaced one by one.
type broken struct {
	providers.Driver

	credential providers.Secret
	traits     func() payment.Traits
	build      func(payment.Send) (providers.Request, error)
	fence      func(payment.Send) (providers.Request, error)
	query      func(payment.Send) (providers.Request, error)
	sign       func(context.Context, *http.Request) error
	parse      func(payment.Send, providers.Response) payment.Answer
	parseQuery func(payment.Send, providers.Response) payment.Answer
}

func (d *broken) Traits() payment.Traits                                    { return d.traits() }
func (d *broken) Build(s payment.Send) (providers.Request, error)           { return d.build(s) }
func (d *broken) Fence(s payment.Send) (providers.Request, error)           { return d.fence(s) }
func (d *broken) Query(s payment.Send) (providers.Request, error)           { return d.query(s) }
func (d *broken) Sign(ctx context.Context, r *http.Request) error           { return d.sign(ctx, r) }
func (d *broken) Parse(s payment.Send, r providers.Response) payment.Answer { return d.parse(s, r) }

func (d *broken) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	return d.parseQuery(s, r)
}

// built changes what is built.
func built(change func(d *broken, s payment.Send, r *providers.Request)) func(*broken) {
	return func(d *broken) {
		d.build = func(s payment.Send) (providers.Request, error) {
			r, err := d.Driver.Build(s)
			if err == nil {
				change(d, s, &r)
			}
			return r, err
		}
	}
}

// asks changes what is asked.
func asks(change func(s payment.Send, r *providers.Request)) func(*broken) {
	return func(d *broken) {
		d.query = func(s payment.Send) (providers.Request, error) {
			r, err := d.Driver.Query(s)
			if err == nil {
				change(s, &r)
			}
			return r, err
		}
	}
}

// reads changes what is read in the answer to a send.
func reads(change func(s payment.Send, r providers.Response, a *payment.Answer)) func(*broken) {
	return func(d *broken) {
		d.parse = func(s payment.Send, r providers.Response) payment.Answer {
			a := d.Driver.Parse(s, r)
			change(s, r, &a)
			return a
		}
	}
}

// finds changes what is read in the answer to a look-up.
func finds(change func(s payment.Send, r providers.Response, a *payment.Answer)) func(*broken) {
	return func(d *broken) {
		d.parseQuery = func(s payment.Send, r providers.Response) payment.Answer {
			a := d.Driver.ParseQuery(s, r)
			change(s, r, &a)
			return a
		}
	}
}

// effectOf is an answer that claims the effect of s.
func effectOf(s payment.Send, a *payment.Answer) {
	a.Code = map[payment.Method]string{
		payment.MethodAuthorize: "requires_capture", payment.MethodCapture: "capture_succeeded",
		payment.MethodRefund: "refund_succeeded", payment.MethodVoid: "void_canceled", payment.MethodComplete: "succeeded",
	}[s.Method]
	a.Reference, a.OurEcho, a.ObjectFound = "obj_known", s.Reference, true
}

func wireMutants(count *atomic.Int64) []mutant {
	return []mutant{
		{"the bytes differ each time", "wire/the same send is the same request, in any process and with any credential", built(func(_ *broken, _ payment.Send, r *providers.Request) {
			r.Body = fmt.Appendf(r.Body, "&n=%d", count.Add(1))
		})},
		{"a header differs with the credential", "wire/the same send is the same request, in any process and with any credential", built(func(d *broken, _ payment.Send, r *providers.Request) {
			r.Header.Set("Stripe-Account", fmt.Sprint(len(d.credential)))
		})},
		{"the record loses what is built", "wire/the same send is the same request, in any process and with any credential", built(func(_ *broken, s payment.Send, r *providers.Request) {
			if s.Instruction.Metadata == nil { // which a record turns an empty map into
				return
			}
			s.Instruction.Metadata["n"] = fmt.Sprint(count.Add(1))
			r.Path += "?n=" + s.Instruction.Metadata["n"]
		})},
		{"every send has one key", "wire/another send has another key", func(d *broken) {
			built(func(_ *broken, _ payment.Send, r *providers.Request) {
				r.Key = "00000000000000000000000000000000"
				r.Header.Set("Idempotency-Key", string(r.Key))
			})(d)
		}},
		{"the key is cut", "key/every send carries its own key as it was recorded", built(func(_ *broken, _ payment.Send, r *providers.Request) {
			r.Key = r.Key[:16]
			r.Header.Set("Idempotency-Key", string(r.Key))
		})},
		{"the key goes out in another form than is hashed", "key/every send carries its own key as it was recorded", built(func(_ *broken, _ payment.Send, r *providers.Request) {
			swapped := strings.ToUpper(string(r.Key))
			r.Header.Set("Idempotency-Key", swapped)
			r.Key = payment.ProviderKey(swapped)
		})},
		{"a provider that takes shorter keys", "key/every send carries its own key as it was recorded", func(d *broken) {
			d.traits = func() payment.Traits {
				t := d.Driver.Traits()
				t.KeyMax = 31
				return t
			}
		}},
		{"metadata makes Build panic", "key/random sends are built twice alike, or refused without being sent", built(func(_ *broken, s payment.Send, _ *providers.Request) {
			if s.Method == payment.MethodAuthorize && len(s.Instruction.Metadata) > 5 {
				panic("too many")
			}
		})},
		{"the caller's key is the merchant's reference", "key/random sends are built twice alike, or refused without being sent", built(func(_ *broken, s payment.Send, r *providers.Request) {
			r.Body = append(r.Body, string("&key="+s.Instruction.IdempotencyKey)...)
		})},
	}
}

func readMutants() []mutant {
	const either = "fault/what brings no documented answer is unknown, whether it was applied or not"
	return []mutant{
		{"an unknown status is taken for success", either, reads(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if strings.Contains(string(r.Body), "teleported") {
				effectOf(s, a)
			}
		})},
		{"whatever is 200 is taken for success", either, reads(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 200 && a.Code == "" {
				effectOf(s, a)
			}
		})},
		{"HTML with 429 is taken for the provider's word", either, reads(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 429 && a.Code == "" {
				a.Code = "rate_limit"
			}
		})},
		{"an empty answer is taken for a decline", either, reads(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if len(r.Body) == 0 && s.Method == payment.MethodAuthorize {
				a.Code = "canceled"
			}
		})},
		{"half an answer is read by its beginning", "fault/a truncated answer is unknown wherever it ends", reads(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if a.Code == "" && bytes.Contains(r.Body, []byte(`"status":"succeeded"`)) {
				effectOf(s, a)
			}
		})},
		{"an unknown code is taken for a decline", "fault/a code that is not documented is unknown", reads(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 402 && a.Code == "something_new" {
				a.Code = "card_declined"
			}
		})},
		{"a look-up takes a fault for an object", "fault/a fault of a look-up says nothing", finds(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 200 && a.Code == "" {
				effectOf(s, a)
			}
		})},
		{"a decline loses its reason", "sample/every documented answer has its row, and proves what the row says", reads(func(_ payment.Send, _ providers.Response, a *payment.Answer) {
			a.Decline = ""
		})},
		{"a documented effect is not seen", "sample/every documented answer has its row, and proves what the row says", reads(func(_ payment.Send, _ providers.Response, a *payment.Answer) {
			if a.Code == "succeeded" {
				a.Reference = ""
			}
		})},
		{"a decline is told as our fault", "sample/a documented decline is told as one", reads(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 402 {
				a.Code, a.Decline = "parameter_missing", ""
			}
		})},
		{"what was asked is taken for what was applied", "amount/an effect says what was applied", reads(func(s payment.Send, _ providers.Response, a *payment.Answer) {
			if a.Amount != nil {
				a.Amount = &s.Amount
			}
		})},
		{"the currency is not read", "amount/money of another kind, or none, is no effect", reads(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if a.Amount != nil {
				a.Amount.CurrencyCode = s.Amount.CurrencyCode
			}
		})},
		{"nothing is an amount", "amount/money of another kind, or none, is no effect", finds(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if a.Code == "" && bytes.Contains(r.Body, []byte(`"amount":0`)) {
				effectOf(s, a)
			}
		})},
	}
}

func queryMutants() []mutant {
	return []mutant{
		{"a look-up carries the key", "query/a look-up is a GET that carries no key and no body", asks(func(s payment.Send, r *providers.Request) {
			r.Header.Set("X-Key", string(s.Key))
		})},
		{"a look-up is a POST", "query/a look-up is a GET that carries no key and no body", asks(func(s payment.Send, r *providers.Request) {
			r.Method = http.MethodPost
		})},
		{"a look-up does not say that it found", "query/a look-up finds the object by its id and by our reference", finds(func(_ payment.Send, _ providers.Response, a *payment.Answer) {
			a.ObjectFound = false
		})},
		{"not found is a decline", "query/what was not found proves nothing", finds(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if a.Code == "not_found" || a.Code == "resource_missing" {
				a.Code, a.Decline = "canceled", ""
			}
		})},
		{"the refusal of a look-up is the operation's", "query/the refusal of a look-up proves nothing", finds(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 402 {
				a.Code, a.Decline = "canceled", ""
			}
		})},
		{"our reference is not compared", "query/another's object is not taken for ours", finds(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if a.Code == "not_found" && bytes.Contains(r.Body, []byte("ANOTHERREFERENCE")) {
				effectOf(s, a)
			}
		})},
		{"the id is not compared", "query/another's object is not taken for ours", finds(func(s payment.Send, _ providers.Response, a *payment.Answer) {
			if s.ProviderReference != "" {
				effectOf(s, a)
			}
		})},
		{"a status is guessed in a look-up", "query/a status that is not documented proves nothing in a look-up", finds(func(s payment.Send, r providers.Response, a *payment.Answer) {
			if bytes.Contains(r.Body, []byte("teleported")) {
				effectOf(s, a)
			}
		})},
	}
}

func otherMutants(count *atomic.Int64) []mutant {
	return []mutant{
		{"a fence of nothing", "fence/a driver fences as it declares", func(d *broken) {
			d.fence = func(s payment.Send) (providers.Request, error) {
				if s.ProviderReference == "" {
					s.ProviderReference = "pi_1"
				}
				return d.Driver.Fence(s)
			}
		}},
		{"a fence that is declared and not there", "fence/a driver fences as it declares", func(d *broken) {
			d.fence = func(payment.Send) (providers.Request, error) { return providers.Request{}, providers.ErrUnsupported }
		}},
		{"a fence under the key of the authorization", "fence/a fence is a request of its own", func(d *broken) {
			d.fence = func(s payment.Send) (providers.Request, error) {
				s.Key = "0123456789abcdef0123456789abcdef"
				return d.Driver.Fence(s)
			}
		}},
		{"a refund is fenced", "fence/only an authorization is fenced", func(d *broken) {
			d.fence = func(s payment.Send) (providers.Request, error) {
				s.Method = payment.MethodAuthorize
				return d.Driver.Fence(s)
			}
		}},
		{"a hold is final after a fence", "fence/after a fence only what is final is claimed", finds(func(_ payment.Send, _ providers.Response, a *payment.Answer) {
			if a.Code == "requires_capture" {
				a.Code = "succeeded"
			}
		})},
		{"what is declared has no form", "unsupported/what is declared is built", func(d *broken) {
			d.build = func(s payment.Send) (providers.Request, error) {
				if s.Method == payment.MethodVoid {
					return providers.Request{}, providers.ErrUnsupported
				}
				return d.Driver.Build(s)
			}
		}},
		{"a bank transfer is built as a card", "unsupported/what is not declared is refused before any request", func(d *broken) {
			d.build = func(s payment.Send) (providers.Request, error) {
				s.Instruction.BankTransfer = nil
				return d.Driver.Build(s)
			}
		}},
		{"nothing is refunded", "unsupported/what the contract cannot express is refused before any request", func(d *broken) {
			d.build = func(s payment.Send) (providers.Request, error) {
				if s.Amount.MinorUnits <= 0 {
					s.Amount.MinorUnits = 1
				}
				return d.Driver.Build(s)
			}
		}},
		{"the credential is in the body", "secret/no request that is recorded holds what authenticates it", built(func(d *broken, _ payment.Send, r *providers.Request) {
			r.Body = append(r.Body, string("&api_key="+d.credential)...)
		})},
		{"the template is the path", "secret/no request that is recorded holds what authenticates it", built(func(_ *broken, s payment.Send, r *providers.Request) {
			r.Template = r.Path + string(s.Key)
		})},
		{"all tokens are sent", "secret/another account's tokens stay here", built(func(_ *broken, s payment.Send, r *providers.Request) {
			r.Body = fmt.Append(r.Body, s.Instruction.Tokens)
		})},
		{"the answer is signed with the credential", "secret/no answer, log record or error repeats a secret", func(d *broken) {
			reads(func(_ payment.Send, _ providers.Response, a *payment.Answer) {
				a.NextAction = &payment.NextAction{RedirectURL: "https://example.com/?k=" + string(d.credential)}
			})(d)
		}},
		{"an error quotes the token", "unsupported/what the contract cannot express is refused before any request", func(d *broken) {
			d.build = func(s payment.Send) (providers.Request, error) {
				r, err := d.Driver.Build(s)
				if err != nil {
					err = fmt.Errorf("%w: %v", err, s.Instruction)
				}
				return r, err
			}
		}},
		{"signing takes a header away", "sign/signing adds what authenticates, and changes nothing", func(d *broken) {
			d.sign = func(ctx context.Context, r *http.Request) error {
				r.Header.Del("Stripe-Version")
				return d.Driver.Sign(ctx, r)
			}
		}},
		{"signing changes the path", "sign/signing adds what authenticates, and changes nothing", func(d *broken) {
			d.sign = func(ctx context.Context, r *http.Request) error {
				r.URL.RawQuery = "signed=1"
				return d.Driver.Sign(ctx, r)
			}
		}},
		{"nothing is signed", "sign/signing adds what authenticates, and changes nothing", func(d *broken) {
			d.sign = func(context.Context, *http.Request) error { return nil }
		}},
		{"building sorts the caller's map", "pure/a driver changes nothing that it is given", built(func(_ *broken, s payment.Send, _ *providers.Request) {
			if s.Instruction.Metadata != nil {
				s.Instruction.Metadata["a"] = "changed"
			}
		})},
		{"reading counts", "pure/a driver reads the same answer twice", reads(func(_ payment.Send, _ providers.Response, a *payment.Answer) {
			a.RequestID = fmt.Sprint(count.Add(1))
		})},
		{"the driver sets the status", "pure/a driver leaves to the guard what is the guard's", reads(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			a.HTTPStatus = r.Status
		})},
		{"traits hang on the credential", "pure/traits never change", func(d *broken) {
			d.traits = func() payment.Traits {
				t := d.Driver.Traits()
				t.MultipleCaptures = strings.HasPrefix(string(d.credential), "rk_")
				return t
			}
		}},
		{"a panic in Parse", "pure/a driver never panics while it reads", reads(func(_ payment.Send, r providers.Response, _ *payment.Answer) {
			if len(r.Body) == 0 {
				panic("empty")
			}
		})},
	}
}

func mutants() []mutant {
	var count atomic.Int64
	return slices.Concat(wireMutants(&count), readMutants(), queryMutants(), otherMutants(&count))
}

// mutantVariable names the mutant that a child process of this test is to run.
const mutantVariable = "ACQUIT_DRIVER_MUTANT"

// The suite itself is tested: each driver with one guarantee broken fails the
// property that is there for it. A property fails its test, so each mutant runs
// in a process of its own.
func TestMutants(t *testing.T) {
	t.Parallel()
	if name := os.Getenv(mutantVariable); name != "" {
		i := slices.IndexFunc(mutants(), func(m mutant) bool { return m.name == name })
		providertest.Run(t, mutated(mutants()[i]))
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			group, name, _ := strings.Cut(m.caught, "/")
			path := "^TestMutants$/" + exactly(group) + "/" + exactly(name)
			cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.count=1", "-test.run="+path)
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite does not notice; it ran:\n%s", out)
			}
			if !bytes.Contains(out, []byte("--- FAIL: TestMutants/"+group+"/"+strings.ReplaceAll(name, " ", "_"))) {
				t.Fatalf("the process failed, but not by the property %q:\n%s", m.caught, out)
			}
		})
	}
}

// exactly is the pattern that selects one test.
func exactly(name string) string {
	return "^" + regexp.QuoteMeta(strings.ReplaceAll(name, " ", "_")) + "$"
}

// mutated is the contract of Stripe's driver, broken.
func mutated(m mutant) providertest.Config {
	c := stripetest.Contract()
	whole := c.New
	c.New = func(credential providers.Secret) providers.Driver {
		inner := whole(credential)
		d := &broken{
			Driver: inner, credential: credential, traits: inner.Traits, build: inner.Build, fence: inner.Fence, query: inner.Query,
			sign: inner.Sign, parse: inner.Parse, parseQuery: inner.ParseQuery,
		}
		m.mutate(d)
		return d
	}
	return c
}
