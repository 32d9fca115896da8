package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/providers"
)

// result is what became of a delivery, or of an event in it: one of these, or an
// orchestrator.Taken.
type result string

const (
	resultAccepted       result = "accepted" // everything in the delivery is durable
	resultUnread         result = "unread"   // an authentic event that there is no use for
	resultForged         result = "forged"
	resultStale          result = "stale"
	resultMalformed      result = "malformed"
	resultTooLarge       result = "too_large"
	resultSlow           result = "slow"
	resultMethod         result = "method"
	resultUnknownAccount result = "unknown_account"
	resultUnavailable    result = "unavailable"
)

// results are all that a delivery to an account, or an event in it, can become.
func results() []result {
	all := []result{resultAccepted, resultUnread, resultForged, resultStale, resultMalformed, resultTooLarge, resultSlow, resultMethod, resultUnavailable}
	for _, t := range []orchestrator.Taken{
		orchestrator.TakenSettled, orchestrator.TakenNoted, orchestrator.TakenDue, orchestrator.TakenOutside,
		orchestrator.TakenDuplicate, orchestrator.TakenOrphan, orchestrator.TakenContradict, orchestrator.TakenUnfit,
	} {
		all = append(all, result(t))
	}
	return all
}

// refusal is the answer to a delivery that is not taken in.
type refusal struct {
	status int
	result result
	words  string
}

// delivery is one request on its way through the handler.
type delivery struct {
	h        *Handler
	w        http.ResponseWriter
	r        *http.Request
	account  Account // nil if none is known
	received time.Time
	span     trace.Span // nil before there is one
}

// serve takes the delivery in, or refuses it, within a span of its own.
func (d *delivery) serve(ctx context.Context) {
	// A provider that hangs up changes nothing: what was begun is recorded, so that
	// the next delivery finds it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout+takeTimeout)
	defer cancel()
	ctx, span := d.h.tracer.Start(ctx, "POST "+Prefix+"{account}", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", http.MethodPost), attribute.String("http.route", Prefix+"{account}"),
		attribute.String("payment.account", d.name())))
	defer span.End()
	d.span = span
	if refused := d.guarded(ctx); refused != nil {
		d.refuse(ctx, *refused)
		return
	}
	d.counted(ctx, resultAccepted, 1)
	d.say(http.StatusOK, "[accepted]") // to the letter what Adyen waits for
}

// guarded makes a refusal of a panic: the provider brings the delivery again, and
// no other one is harmed.
func (d *delivery) guarded(ctx context.Context) (refused *refusal) {
	defer func() {
		if p := recover(); p != nil {
			// The value may quote the delivery; its type does not.
			d.h.cfg.Logger.ErrorContext(ctx, "panic while a webhook was taken in", "account", d.name(), "type", fmt.Sprintf("%T", p))
			refused = &refusal{http.StatusServiceUnavailable, resultUnavailable, "it could not be taken in; bring it again"}
		}
	}()
	return d.take(ctx)
}

// take reads the delivery, and has the guard judge it and every event taken in. It
// takes a place only for what has arrived: a sender that takes its time holds none.
func (d *delivery) take(ctx context.Context) *refusal {
	body, refused := d.body()
	if refused != nil {
		return refused
	}
	if refused := d.h.enter(); refused != nil {
		return refused
	}
	defer d.h.leave()
	told, err := d.account.Webhook(ctx, providers.Delivery{
		Method: d.r.Method, Path: d.r.URL.Path, Header: d.r.Header, Body: body, Received: d.received,
	})
	if err != nil {
		return d.untold(ctx, err)
	}
	for _, kind := range told.Unread {
		d.h.cfg.Logger.InfoContext(ctx, "webhook of no use", "account", d.name(), "event_type", kind)
	}
	d.counted(ctx, resultUnread, len(told.Unread))
	for _, e := range told.Events {
		taken, err := d.h.cfg.Taker.Apply(ctx, e)
		if err != nil {
			d.h.cfg.Logger.WarnContext(ctx, "event not taken in", "account", d.name(), "event_id", e.ID, "error", err)
			return &refusal{http.StatusServiceUnavailable, resultUnavailable, "it could not be recorded; bring it again"}
		}
		d.counted(ctx, result(taken), 1)
	}
	if told.Forged > 0 { // what they say is not on record, so the delivery is not done with
		return &refusal{http.StatusUnauthorized, resultForged, fmt.Sprintf("%d of its events are not signed by the provider", told.Forged)}
	}
	return nil
}

// untold is the refusal of what the guard does not vouch for. The words are ours:
// whoever forges learns nothing from them. What went wrong, the log says.
func (d *delivery) untold(ctx context.Context, err error) *refusal {
	if errors.Is(err, providers.ErrUnsupported) {
		return &refusal{http.StatusNotFound, resultUnknownAccount, "no account of that name takes webhooks: it has no webhook_secrets"}
	}
	d.h.cfg.Logger.WarnContext(ctx, "webhook refused", "account", d.name(), "error", err)
	switch {
	case errors.Is(err, providers.ErrForged):
		return &refusal{http.StatusUnauthorized, resultForged, "it is not signed by the provider"}
	case errors.Is(err, providers.ErrStale):
		return &refusal{http.StatusBadRequest, resultStale, "its signature is too old, or from the future"}
	case errors.Is(err, providers.ErrMalformed):
		return &refusal{http.StatusBadRequest, resultMalformed, "it cannot be read"}
	}
	// It may be genuine: what it is signed with could not be fetched, or the driver broke
	// on it. Not everybody brings again what was answered 4xx: Amazon SNS drops it.
	return &refusal{http.StatusServiceUnavailable, resultUnavailable, "it could not be verified now; bring it again"}
}

// refuse answers and counts a delivery that is not taken in.
func (d *delivery) refuse(ctx context.Context, r refusal) {
	d.counted(ctx, r.result, 1)
	if r.status == http.StatusServiceUnavailable {
		d.w.Header().Set("Retry-After", retryAfter)
	}
	if d.span != nil {
		d.span.SetStatus(codes.Error, string(r.result))
	}
	d.say(r.status, r.words)
}

// say answers.
func (d *delivery) say(status int, words string) {
	if d.span != nil {
		d.span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	d.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	d.w.WriteHeader(status)
	_, _ = io.WriteString(d.w, words) // the peer is gone if this fails
}

// counted adds to the counter, and says so on the span.
func (d *delivery) counted(ctx context.Context, r result, n int) {
	if n == 0 {
		return
	}
	d.h.count.Add(ctx, int64(n), counted(d.name(), r))
	if d.span != nil {
		d.span.AddEvent("webhook", trace.WithAttributes(attribute.String("acquit.webhook.result", string(r)), attribute.Int("acquit.webhook.count", n)))
	}
}

// counted says which account's delivery or event is counted as what.
func counted(account string, r result) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(
		attribute.String("payment.account", account), attribute.String("acquit.webhook.result", string(r))))
}

// name is the account's; "" for one that is not known, since a counter keeps every
// name that it is ever given.
func (d *delivery) name() string {
	if d.account == nil {
		return ""
	}
	return string(d.account.Name())
}
