package providertest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

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

func disciplineMutants() []mutant {
	const refused = "discipline/a refusal is not sent again blindly"
	return []mutant{
		{"every refusal is taken for a limit", refused, reads(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 403 && a.Code == "something_new" {
				a.Code = "rate_limit"
			}
		})},
		{"a refusal is said to be worth another try", refused, reads(func(_ payment.Send, r providers.Response, a *payment.Answer) {
			if r.Status == 422 {
				a.Hint = payment.HintRetry
			}
		})},
		{"the path tells the object", "discipline/a failed exchange leaves one record that finds it and tells nothing", built(func(_ *broken, _ payment.Send, r *providers.Request) {
			r.Template = ""
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
		{"a look-up is made without the id that it needs", "query/a look-up that needs the provider's id is not made without it", func(d *broken) {
			d.traits = func() payment.Traits {
				t := d.Driver.Traits()
				t.QueryNeedsID = []payment.Method{payment.MethodAuthorize}
				return t
			}
		}},
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
