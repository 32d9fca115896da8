package providers

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"runtime/debug"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// parser is one of a driver's two ways to read a response.
type parser = func(payment.Send, Response) payment.Answer

// exchange signs and sends r, once, and has the response read. From the call of
// the transport on there is no error, only an answer.
func (g *Guard) exchange(ctx context.Context, s payment.Send, r Request, parse parser) (payment.Answer, error) {
	signed, err := g.sign(ctx, r)
	if err != nil {
		return payment.Answer{}, err
	}
	resp, class, err := g.cfg.Transport.Do(g.traced(ctx), signed)
	if err != nil {
		answer := payment.Answer{Transport: class}
		g.log(ctx, s, r, answer, "error", err)
		return answer, nil
	}
	g.probe(ctx, payment.PointResponseReceived)
	answer, doubt := g.parse(s, Response(resp), parse, secretsOf(s, r, signed))
	if doubt != "" {
		g.distrusted(ctx, s, doubt)
	}
	g.renew(ctx, s, answer, signed.Header)
	answer.RetryAfter = retryAfter(resp.Header, g.cfg.Now())
	if doubt != "" || resp.Status >= 300 {
		g.log(ctx, s, r, answer, "http_status", resp.Status)
	}
	return answer, nil
}

// sign lets the driver add headers to a view of the request, and makes the
// request that is sent from the recorded parts and those headers alone.
func (g *Guard) sign(ctx context.Context, r Request) (*http.Request, error) {
	view, err := g.request(ctx, r)
	if err != nil {
		return nil, g.wrap("build", err)
	}
	body, address := view.Body, view.URL.String()
	if err := g.call("sign", func() error { return unsigned(g.cfg.Driver.Sign(ctx, view)) }); err != nil {
		return nil, err
	}
	touched := view.Method != r.Method || view.URL == nil || view.URL.String() != address || view.Body != body
	for name, values := range r.Header {
		touched = touched || !slices.Equal(view.Header[name], values)
	}
	if touched {
		return nil, g.wrap("sign", errors.New("method, address, body or a header of the request was changed"))
	}
	if err := checkHeader(view.Header); err != nil {
		return nil, g.wrap("sign", err)
	}
	out, err := g.request(ctx, r)
	if err != nil {
		return nil, g.wrap("build", err)
	}
	out.Header = view.Header
	if g.cfg.Probe != nil && r.Body != nil {
		out.Body = &probedBody{ReadCloser: out.Body, first: func() { g.probe(ctx, payment.PointSendAfterHeaders) }}
	}
	return out, nil
}

// unsigned marks what a driver itself gives as the reason that it did not sign.
func unsigned(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnsigned, err)
}

func (g *Guard) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if len(r.Body) > 0 {
		body = bytes.NewReader(r.Body)
	}
	out, err := http.NewRequestWithContext(ctx, r.Method, g.base+r.Path, body)
	if err != nil {
		return nil, errors.New("the path is malformed") // the error itself quotes it
	}
	out.Header = r.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	out.Pattern = r.Template
	return out, nil
}

// parse has the driver read a response and checks what it says. doubt says why
// it is not believed; "" if it is.
func (g *Guard) parse(s payment.Send, resp Response, parse parser, secrets []string) (answer payment.Answer, doubt string) {
	defer func() {
		if p := recover(); p != nil {
			answer = payment.Answer{Transport: payment.TransportAnswered}
			doubt = fmt.Sprintf("driver panic of type %T at %s", p, panicSite(debug.Stack()))
		}
	}()
	answer = parse(s, resp)
	answer.Transport, answer.HTTPStatus = payment.TransportAnswered, resp.Status
	for _, cell := range []*string{&answer.RequestID, &answer.Code, &answer.Decline} {
		if without(*cell, secrets) != *cell {
			*cell, doubt = "", "the answer repeats a secret"
		}
	}
	if doubt == "" {
		doubt = implausible(s, answer, g.cfg.Target.Environment)
	}
	if doubt != "" {
		return bare(answer), doubt
	}
	answer.Message, answer.RequestID = clean(without(answer.Message, secrets)), requestID(answer.RequestID)
	answer.ExpireTime = instant(answer.ExpireTime)
	return answer, ""
}

// renew lets the driver see whether its access token was refused. It is too late for
// an error: there is an answer, and what it says is not about the next token.
func (g *Guard) renew(ctx context.Context, s payment.Send, a payment.Answer, sent http.Header) {
	d, renews := g.cfg.Driver.(Renewer)
	if !renews {
		return
	}
	if err := g.call("renew", func() error { d.Renew(a, sent); return nil }); err != nil {
		g.distrusted(ctx, s, err.Error())
	}
}

// probe stops or kills the process where a test asks for it.
func (g *Guard) probe(ctx context.Context, p payment.Point) {
	if g.cfg.Probe != nil {
		g.cfg.Probe(ctx, p)
	}
}

func (g *Guard) traced(ctx context.Context) context.Context {
	if g.cfg.Probe == nil {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				g.probe(ctx, payment.PointSendAfterBody)
			}
		},
	})
}

// probedBody tells when a request's body is first read. The transport flushes
// the headers before that, so they are on their way; net/http's own trace of
// the headers comes while they are still in its buffer.
type probedBody struct {
	io.ReadCloser
	first func()
}

func (b *probedBody) Read(p []byte) (int, error) {
	if b.first != nil {
		b.first()
		b.first = nil
	}
	return b.ReadCloser.Read(p)
}

// log records an exchange that did not bring what was asked for: enough to find
// it at the provider, nothing of the payload but a hash that only who knows the
// provider key can compare. A refusal in words that were understood is no failure.
func (g *Guard) log(ctx context.Context, s payment.Send, r Request, a payment.Answer, more ...any) {
	args := append([]any{
		"account", string(g.cfg.Name),
		"endpoint", r.Method + " " + g.cfg.Target.Host + r.Template,
		"reference_id", string(s.Reference),
		"payload_hash", payloadHash(s.Key, r.Body),
		"transport", string(a.Transport),
		"provider_code", a.Code,
		"provider_request_id", a.RequestID,
	}, more...)
	if a.Code != "" && a.HTTPStatus >= 400 && a.HTTPStatus < 500 {
		g.cfg.Logger.InfoContext(ctx, "provider refused", args...)
		return
	}
	g.cfg.Logger.WarnContext(ctx, "provider exchange failed", args...)
}

func (g *Guard) distrusted(ctx context.Context, s payment.Send, why string) {
	g.cfg.Logger.ErrorContext(ctx, "driver not believed",
		"account", string(g.cfg.Name), "driver", g.traits.Driver, "reference_id", string(s.Reference), "reason", why)
}

// payloadHash tells equal payloads of one attempt from different ones. It is
// keyed with the provider key: without a key, short payloads could be guessed.
func payloadHash(key payment.ProviderKey, body []byte) string {
	if key == "" || len(body) == 0 {
		return ""
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))[:16]
}
