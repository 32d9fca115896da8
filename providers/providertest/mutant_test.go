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
	webhook    func(providers.Delivery) (providers.Told, error)
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

func (d *broken) Webhook(_ context.Context, in providers.Delivery) (providers.Told, error) {
	return d.webhook(in)
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

func mutants() []mutant {
	var count atomic.Int64
	return slices.Concat(wireMutants(&count), readMutants(), disciplineMutants(), queryMutants(), otherMutants(&count), webhookMutants(&count))
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
	whole, webhooks := c.New, *c.Webhooks
	mutate := func(inner providers.Driver, credential providers.Secret) providers.Driver {
		d := &broken{
			Driver: inner, credential: credential, traits: inner.Traits, build: inner.Build, fence: inner.Fence, query: inner.Query,
			sign: inner.Sign, parse: inner.Parse, parseQuery: inner.ParseQuery,
			webhook: func(in providers.Delivery) (providers.Told, error) { return inner.Webhook(context.Background(), in) },
		}
		m.mutate(d)
		return d
	}
	c.New = func(credential providers.Secret) providers.Driver { return mutate(whole(credential), credential) }
	c.Webhooks = &webhooks
	c.Webhooks.New = func(secrets ...providers.Secret) providers.Driver {
		return mutate(stripetest.Contract().Webhooks.New(secrets...), providers.Secret(fmt.Sprintf("%q", plain(secrets))))
	}
	return c
}
