package providers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/transport"
)

// Config configures the guard of one account.
type Config struct {
	// Name is the account's configured name.
	Name payment.AccountName
	// Driver speaks the provider's dialect with the account's credential.
	Driver Driver
	// Target is what attempts on this account are recorded with; its host is BaseURL's.
	Target payment.Target
	// Credential is the id of the credential in use, never the credential.
	Credential string
	// WebhookSecrets are what deliveries to the account are signed with. The driver
	// has them too; here they are what no error and no event may repeat.
	WebhookSecrets []Secret
	// BaseURL is the scheme and host that every request of the account goes to.
	// A live account's scheme is https.
	BaseURL string
	// Transport sends the requests. Required; accounts may share one.
	Transport *transport.Transport
	// Probe is called where a test may stop the process. Nil in production.
	Probe func(context.Context, payment.Point)
	// Logger gets one record per failed exchange. Defaults to none.
	Logger *slog.Logger
	// Now is the clock that dates in answers are read against. Defaults to time.Now.
	Now func() time.Time
}

// Guard runs the driver of one account: it alone builds, signs, sends and
// parses. It does not believe what the driver returns: a request that is not
// fit to be sent is not sent, and an answer that makes no sense is given on
// without its code, so that it proves nothing. A driver that panics does the
// same damage as one that cannot read the answer.
//
// It does not retry and does not decide what an answer proves. It is safe for
// concurrent use.
type Guard struct {
	cfg    Config
	traits payment.Traits
	base   string // scheme and host, without a slash at the end
}

// New returns the guard of an account. Its error says what is wrong with the
// configuration or with what the driver declares.
func New(c Config) (*Guard, error) {
	if c.Name == "" || c.Driver == nil || c.Transport == nil {
		return nil, errors.New("a guard needs a name, a driver and a transport")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	g := &Guard{cfg: c, traits: c.Driver.Traits()}
	if len(g.traits.Methods) == 0 || g.traits.KeyMax <= 0 || g.traits.ResendWindow <= 0 {
		return nil, fmt.Errorf("account %s: driver %s declares no methods, key length or resend window", c.Name, g.traits.Driver)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("account %s: the base URL is malformed", c.Name)
	}
	if err := checkBase(base, c.Target); err != nil {
		return nil, fmt.Errorf("account %s: %w", c.Name, err)
	}
	g.base = base.Scheme + "://" + base.Host
	return g, nil
}

// checkBase reports a base URL that requests of the target may not go to.
func checkBase(base *url.URL, t payment.Target) error {
	switch {
	case base.Scheme != "https" && base.Scheme != "http":
		return errors.New("the base URL is neither https nor http")
	case base.Scheme == "http" && t.Environment != payment.EnvironmentSandbox:
		return errors.New("a live account needs https")
	case base.Host == "" || base.Host != t.Host:
		return fmt.Errorf("the base URL does not lead to the target's host %q", t.Host)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "":
		return errors.New("the base URL is more than scheme and host")
	}
	return nil
}

// Name is the account's configured name.
func (g *Guard) Name() payment.AccountName { return g.cfg.Name }

// Traits declare what the account's provider can do.
func (g *Guard) Traits() payment.Traits { return g.traits }

// Target is where the account's requests go.
func (g *Guard) Target() payment.Target { return g.cfg.Target }

// Credential is the id of the credential in use.
func (g *Guard) Credential() string { return g.cfg.Credential }

// Prepare builds the request of s without sending it and returns the hex
// SHA-256 of its length-prefixed method, path, key and body. Errors:
// ErrUnsupported; anything else is a bug of the driver, or an instruction that
// it has no form of.
func (g *Guard) Prepare(s payment.Send) (string, error) {
	r, err := g.build(s)
	if err != nil {
		return "", err
	}
	return requestHash(r), nil
}

// Send builds the request of s, compares its hash with the recorded one, signs,
// sends once and parses. An error means that certainly nothing was sent:
// ErrRequestChanged, ErrUnsupported, ErrUnsigned, or that the driver broke. Otherwise
// the answer says what happened, whatever the network did.
func (g *Guard) Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error) {
	r, err := g.build(s)
	if err != nil {
		return payment.Answer{}, err
	}
	if requestHash(r) != hash {
		return payment.Answer{}, fmt.Errorf("account %s: %w", g.cfg.Name, ErrRequestChanged)
	}
	return g.exchange(ctx, s, r, g.cfg.Driver.Parse)
}

// Query asks the provider for the object of s, which has no effect. Errors are
// those of Send, and mean that it was not asked.
func (g *Guard) Query(ctx context.Context, s payment.Send) (payment.Answer, error) {
	var r Request
	err := g.call("query", func() (err error) {
		r, err = g.cfg.Driver.Query(s)
		return err
	})
	if err == nil {
		err = g.wrap("query", checkRead(r))
	}
	if err != nil {
		return payment.Answer{}, err
	}
	answer, err := g.exchange(ctx, s, r, g.cfg.Driver.ParseQuery)
	if wrong := s.ProviderReference != "" && answer.Reference != "" && answer.Reference != s.ProviderReference; wrong {
		g.distrusted(ctx, s, "the object is another than was asked for")
		answer = bare(answer)
	}
	return answer, err
}

// build makes the request of s and checks that it is fit to be sent.
func (g *Guard) build(s payment.Send) (Request, error) {
	var r Request
	err := g.call("build", func() (err error) {
		if s.Step.Fence() {
			r, err = g.cfg.Driver.Fence(s)
			return err
		}
		r, err = g.cfg.Driver.Build(s)
		return err
	})
	if err == nil {
		err = g.wrap("build", checkWrite(r, g.traits))
	}
	return r, err
}

// requestHash is what is recorded before the first send. It covers neither
// headers, which hold signatures and dates, nor the host, which is recorded by itself.
func requestHash(r Request) string {
	h := sha256.New()
	payment.WriteParts(h, r.Method, r.Path, string(r.Key), string(r.Body))
	return hex.EncodeToString(h.Sum(nil))
}

// call runs a step of the driver before anything is sent, and makes an error of a panic.
func (g *Guard) call(step string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// The value may quote the payload; its type and the stack do not.
			err = g.wrap(step, fmt.Errorf("panic of type %T at %s", p, panicSite(debug.Stack())))
		}
	}()
	return g.wrap(step, f())
}

// wrap says whose error it is and which step failed.
func (g *Guard) wrap(step string, err error) error {
	if err == nil {
		return nil
	}
	return &driverError{text: fmt.Sprintf("account %s: driver %s: %s: %s", g.cfg.Name, g.traits.Driver, step, clean(err.Error())), err: err}
}

// driverError is an error of a driver whose text was cleaned of what it may not show.
type driverError struct {
	text string
	err  error
}

func (e *driverError) Error() string { return e.text }

func (e *driverError) Unwrap() error { return e.err }

// panicSite is the line of the stack where the panic happened.
func panicSite(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") && i+3 < len(lines) {
			site, _, _ := strings.Cut(strings.TrimSpace(lines[i+3]), " ")
			return site[strings.LastIndexByte(site, '/')+1:]
		}
	}
	return "an unknown place"
}
