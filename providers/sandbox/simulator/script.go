package simulator

import (
	"fmt"
	"strings"
	"time"
)

// outcome is what a step does, unless the key has an answer already.
type outcome string

const (
	outcomeNone      outcome = "none" // nothing is done and nothing is stored
	outcomeAuthorize outcome = "authorize"
	outcomePartial   outcome = "partial"
	outcomeDecline   outcome = "decline"
	outcomePending   outcome = "pending"
	outcomeAction    outcome = "action"
)

// delivery is how a step's answer reaches the client, or does not.
type delivery string

const (
	deliverAnswer    delivery = "answer"
	deliverError     delivery = "error"    // the step's status and code
	deliverGarbage   delivery = "garbage"  // 200, HTML
	deliverEmpty     delivery = "empty"    // 200, nothing
	deliverOversized delivery = "oversize" // 200, 2 MiB
	deliverForeign   delivery = "foreign"  // a status that nobody knows
	deliverRedirect  delivery = "redirect"
	deliverHang      delivery = "hang"       // nothing, until the client gives up
	deliverDrop      delivery = "drop"       // connection closed
	deliverReset     delivery = "reset"      // connection reset before the headers
	deliverCut       delivery = "cut"        // connection reset after the headers
	deliverTruncated delivery = "truncated"  // connection closed within the body
	deliverDropLater delivery = "drop_later" // connection closed; the request arrives after a while
	deliverTwice     delivery = "twice"      // answered; a copy of the request arrives after a while
)

// step is what the simulator does with one send of a key.
type step struct {
	outcome  outcome
	delivery delivery
	status   int           // of deliverError
	code     string        // of deliverError; of outcomeDecline the decline code
	wait     time.Duration // Retry-After, or until something happens later; a parameter replaces it
	date     bool          // Retry-After is a date
}

// script is what a token asks for: a step for each send of a key, in order.
type script struct {
	steps  []step
	always bool // the last step repeats for ever
}

// at is the step of the n-th send of a key, counted from 0. After the last step
// a key is treated as any provider would: ok is false.
func (s script) at(n int) (step, bool) {
	if n < len(s.steps) {
		return s.steps[n], true
	}
	if s.always && len(s.steps) > 0 {
		return s.steps[len(s.steps)-1], true
	}
	return step{outcome: outcomeAuthorize, delivery: deliverAnswer}, false
}

// Token is a token of one step.
type Token struct {
	Name    string // as in tok_ok
	Meaning string // in one line

	step step
}

// Tokens lists the tokens of one step, in the order in which people should read
// them. See the package comment for how steps are combined.
func Tokens() []Token {
	failed := func(status int, code string) step {
		return step{outcome: outcomeNone, delivery: deliverError, status: status, code: code}
	}
	after := func(s step, wait time.Duration) step { s.wait = wait; return s }
	onDate := func(s step) step { s.date = true; return s }
	decline := func(code string) step { return step{outcome: outcomeDecline, delivery: deliverAnswer, code: code} }
	done := func(d delivery) step { return step{outcome: outcomeAuthorize, delivery: d} }
	undone := func(d delivery) step { return step{outcome: outcomeNone, delivery: d} }
	const soon = 2 * time.Second
	tokens := []Token{
		{"ok", "authorizes, or captures where that was asked for", done(deliverAnswer)},
		{"partial", "authorizes half of the amount", step{outcome: outcomePartial, delivery: deliverAnswer}},
		{"decline_insufficient_funds", "declines; the decline is stored", decline("insufficient_funds")},
		{"decline_generic", "declines; the decline is stored", decline("generic")},
		{"decline_lost_card", "declines; the decline is stored", decline("lost_card")},
		{"decline_expired_card", "declines; the decline is stored", decline("expired_card")},
		{"decline_authentication_required", "declines; the decline is stored", decline("authentication_required")},
		{"pending", "accepts; authorizes after a while (2s), which a look-up shows", after(step{outcome: outcomePending, delivery: deliverAnswer}, soon)},
		{"requires_action", "accepts; authorizes when somebody opens the redirect", step{outcome: outcomeAction, delivery: deliverAnswer}},
		{"429", "refuses; Retry-After in seconds (1s)", after(failed(429, CodeRateLimited), time.Second)},
		{"429_date", "refuses; Retry-After as a date (2s)", onDate(after(failed(429, CodeRateLimited), soon))},
		{"401", "refuses the credential", failed(401, CodeUnauthorized)},
		{"400", "refuses the request", failed(400, CodeInvalidRequest)},
		{"500_before_effect", "fails without an effect", failed(500, CodeServerError)},
		{"500_after_effect", "fails after the effect", step{outcome: outcomeAuthorize, delivery: deliverError, status: 500, code: CodeServerError}},
		{"503", "fails without an effect", failed(503, CodeUnavailable)},
		{"timeout", "has its effect and never answers", done(deliverHang)},
		{"timeout_before_effect", "has no effect and never answers", undone(deliverHang)},
		{"drop", "has its effect and closes the connection", done(deliverDrop)},
		{"drop_before_effect", "has no effect and closes the connection", undone(deliverDrop)},
		{"reset_before_headers", "has no effect and resets the connection", undone(deliverReset)},
		{"reset_after_headers", "has its effect, sends headers, resets the connection", done(deliverCut)},
		{"garbage", "has its effect and answers 200 with HTML", done(deliverGarbage)},
		{"empty", "has its effect and answers 200 with nothing", done(deliverEmpty)},
		{"truncated", "has its effect and closes the connection within the body", done(deliverTruncated)},
		{"oversized", "has its effect and answers with 2 MiB", done(deliverOversized)},
		{"unknown_status", "has its effect and answers with a status that nobody knows", done(deliverForeign)},
		{"redirect", "has no effect and answers 307; who follows it has an effect that no key protects", undone(deliverRedirect)},
		{"key_in_use", "answers that the key is in use, without an effect", failed(409, CodeKeyInUse)},
		{"late", "closes the connection; the request arrives after a while (2s)", step{outcome: outcomeNone, delivery: deliverDropLater, wait: soon}},
		{"twice", "has its effect; a copy of the request arrives after a while (1s)", step{outcome: outcomeAuthorize, delivery: deliverTwice, wait: time.Second}},
	}
	for i := range tokens {
		tokens[i].Name = tokenPrefix + tokens[i].Name
	}
	return tokens
}

// tokenPrefix begins every token.
const tokenPrefix = "tok_"

// maxWait bounds the duration that a token may ask for.
const maxWait = time.Hour

// grammar holds the steps by their names, without the prefix.
type grammar map[string]step

func newGrammar() grammar {
	g := grammar{}
	for _, t := range Tokens() {
		g[strings.TrimPrefix(t.Name, tokenPrefix)] = t.step
	}
	return g
}

// parse reads a token; its error is for whoever wrote it.
func (g grammar) parse(token string) (script, error) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return script{}, fmt.Errorf("a token begins with %s", tokenPrefix)
	}
	var s script
	rest, s.always = strings.CutSuffix(rest, "_always")
	for name := range strings.SplitSeq(rest, "_then_") {
		next, err := g.step(name)
		if err != nil {
			return script{}, err
		}
		s.steps = append(s.steps, next)
	}
	return s, nil
}

// step reads one step, with the duration that may follow its name.
func (g grammar) step(name string) (step, error) {
	if s, ok := g[name]; ok {
		return s, nil
	}
	i := max(strings.LastIndexByte(name, '_'), 0)
	s, known := g[name[:i]]
	if !known {
		return step{}, fmt.Errorf("no step is named %q", name)
	}
	wait, err := time.ParseDuration(name[i+1:])
	if err != nil || wait <= 0 || wait > maxWait || strings.Trim(name[i+1:], "0123456789ms") != "" {
		return step{}, fmt.Errorf("step %q: %q is no duration such as 250ms or 3s, at most an hour", name[:i], name[i+1:])
	}
	if s.wait == 0 {
		return step{}, fmt.Errorf("step %q takes no duration", name[:i])
	}
	s.wait = wait
	return s, nil
}
