package jaeger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// config makes acquit quick to give up, so that an unknown outcome is seen soon, and
// has one account at the sandbox that is told by webhooks and one that has to ask.
const config = `operation: {attempt_budget: 5s, attempt_timeout: 2s}
retry: {spacing: [100ms], jitter: 0, max_sends: 2}
sweep: {every: 200ms, recheck: 2s}
accounts:
  - {name: asked, driver: sandbox, environment: sandbox, merchant_id: asked}
  - {name: told, driver: sandbox, environment: sandbox, merchant_id: told, webhook_secrets: [env:STORY_WEBHOOK_SECRET]}
`

// Payment is one payment of the story.
type Payment struct {
	Name, About    string
	account, token string
	ID             string
	First, Last    acquitv1.PaymentStatus // when the call was answered, and in the end
}

// Story is the four payments, not made yet.
func Story() []*Payment {
	return []*Payment{
		{Name: "retried", About: "the provider failed once, the same request was sent again", account: "asked", token: "tok_503_then_ok"},
		{Name: "declined", About: "the provider said no, which is an answer", account: "asked", token: "tok_decline_insufficient_funds"},
		{Name: "unknown, then resolved", About: "the requests seemed lost, and arrived late; a look at the provider showed the effect", account: "asked", token: "tok_late_1s_always"},
		{Name: "settled by a webhook", About: "the provider only accepted, and told the outcome later", account: "told", token: "tok_pending_300ms"},
	}
}

// Serve runs acquit, which sends its spans to j, until ctx ends, and returns the
// address of its API. It keeps its data and log in dir; what it returns last is closed
// when it has stopped.
func Serve(ctx context.Context, program, dir string, j *Jaeger) (addr string, ended <-chan struct{}, err error) {
	file := filepath.Join(dir, "acquit.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(dir, "acquit.log"))
	if err != nil {
		return "", nil, err
	}
	free, err := Free(ctx, 3)
	if err != nil {
		return "", nil, err
	}
	ended, err = start(ctx, log, []string{"STORY_WEBHOOK_SECRET=only-for-the-sandbox-on-this-machine"}, program, "serve",
		"--config", file, "--data-dir", filepath.Join(dir, "data"), "--otlp-endpoint", j.OTLP,
		"--grpc-addr", free[0], "--http-addr", free[1], "--ops-addr", free[2])
	if err != nil {
		return "", nil, err
	}
	err = until(ctx, time.Minute, "acquit is ready", func(ctx context.Context) error {
		_, err := (&Jaeger{Query: "http://" + free[2]}).get(ctx, "/readyz", nil)
		return err
	})
	if err != nil {
		said, _ := os.ReadFile(log.Name()) // the error stands without it
		err = fmt.Errorf("%w\n%s", err, said)
	}
	return free[0], ended, err
}

// Tell makes the payments and waits until each has an outcome.
func Tell(ctx context.Context, addr string, story []*Payment) error {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	service := acquitv1.NewPaymentServiceClient(conn)
	for _, p := range story {
		if err := p.make(ctx, service); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

func (p *Payment) make(ctx context.Context, service acquitv1.PaymentServiceClient) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	answer, err := service.Authorize(metadata.AppendToOutgoingContext(ctx, "idempotency-key", p.Name), &acquitv1.AuthorizeRequest{
		Amount: &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Account: p.account, Token: &acquitv1.AccountToken_StoredId{StoredId: p.token}}},
		}}},
	})
	if err != nil {
		return err
	}
	p.ID, p.First = answer.GetPayment().GetPaymentId(), answer.GetPayment().GetStatus()
	return until(ctx, 30*time.Second, "an outcome", func(ctx context.Context) error {
		now, err := service.GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: p.ID})
		if err != nil {
			return err
		}
		p.Last = now.GetPayment().GetStatus()
		if p.Last != acquitv1.PaymentStatus_PAYMENT_STATUS_AUTHORIZED && p.Last != acquitv1.PaymentStatus_PAYMENT_STATUS_DECLINED {
			return fmt.Errorf("it is %s", p.Last)
		}
		return nil
	})
}
