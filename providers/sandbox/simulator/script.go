package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// outcome is what a step does, unless the key has an answer already.
type outcome string

const (
	outcomeNone        outcome = "none"   // nothing is done and nothing is stored
	outcomeEffect      outcome = "effect" // what was asked for
	outcomePartial     outcome = "partial"
	outcomeDecline     outcome = "decline" // of an authorization
	outcomePending     outcome = "pending"
	outcomeAction      outcome = "action"       // of an authorization
	outcomeFail        outcome = "fail"         // of the other verbs
	outcomePendingFail outcome = "pending_fail" // of the other verbs
	outcomeStay        outcome = "stay"         // of a completion: all stays as it is
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

// plan is what a token asks for: scripts that the keys of a verb take turns with.
// An authorization has one.
type plan map[Kind][]script

// script is a step for each send of a key, in order.
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
	return step{outcome: outcomeEffect, delivery: deliverAnswer}, false
}

// Token is a token of one step.
type Token struct {
	Name    string // as in tok_ok
	Meaning string // in one line

	step step
}

// Tokens lists the tokens of one step, in the order in which people should read
// them: those of authorizations, then those whose authorization goes well and that
// say what becomes of a capture, a refund, a void or a cancel, and those that say
// what becomes of a completion. See the package
// comment for how steps are combined.
func Tokens() []Token {
	tokens := named(tokenPrefix, authorizeSteps())
	for _, verb := range verbs() {
		on := "ok_"
		if verb == KindComplete {
			on = "requires_action_"
		}
		tokens = append(tokens, named(tokenPrefix+on+string(verb)+"_", furtherSteps(verb))...)
	}
	return tokens
}

// named makes tokens of steps.
func named(prefix string, steps []Token) []Token {
	for i := range steps {
		steps[i].Name = prefix + steps[i].Name
	}
	return steps
}

// soon is how long most of what takes time takes.
const soon = 2 * time.Second

func answered(o outcome) step { return step{outcome: o, delivery: deliverAnswer} }

func (s step) after(wait time.Duration) step { s.wait = wait; return s }

// authorizeSteps are the steps of an authorization.
func authorizeSteps() []Token {
	decline := func(code string) step {
		s := answered(outcomeDecline)
		s.code = code
		return s
	}
	return append([]Token{
		{"ok", "authorizes, or captures where that was asked for", answered(outcomeEffect)},
		{"partial", "authorizes half of the amount", answered(outcomePartial)},
		{"decline_insufficient_funds", "declines; the decline is stored", decline("insufficient_funds")},
		{"decline_generic", "declines; the decline is stored", decline("generic")},
		{"decline_lost_card", "declines; the decline is stored", decline("lost_card")},
		{"decline_expired_card", "declines; the decline is stored", decline("expired_card")},
		{"decline_authentication_required", "declines; the decline is stored", decline("authentication_required")},
		{"pending", "accepts; authorizes after a while (2s), which a look-up shows", answered(outcomePending).after(soon)},
		{"requires_action", "accepts; authorizes when somebody opens the redirect", answered(outcomeAction)},
	}, faults()...)
}

// furtherSteps are the steps of a capture, refund, void, cancel or completion.
func furtherSteps(verb Kind) []Token {
	if verb == KindComplete {
		return completeSteps()
	}
	if verb == KindCancel {
		return append([]Token{
			{"ok", "cancels, as far as its state allows", answered(outcomeEffect)},
			{"pending", "accepts; cancels after a while (2s), which a look-up shows", answered(outcomePending).after(soon)},
		}, faults()...)
	}
	steps := []Token{
		{"ok", string(verb) + "s, as far as the amounts allow", answered(outcomeEffect)},
		{"partial", string(verb) + "s half of the amount", answered(outcomePartial)},
		{"fail", "fails; the failure is stored", answered(outcomeFail)},
		{"pending", "accepts; " + string(verb) + "s after a while (2s), which a look-up shows", answered(outcomePending).after(soon)},
		{"pending_fail", "accepts; fails after a while (2s), which a look-up shows", answered(outcomePendingFail).after(soon)},
	}
	if verb == KindVoid { // it has no amount
		steps = slices.Delete(steps, 1, 2)
	}
	return append(steps, faults()...)
}

// faults are the steps that every verb has: what is on the way of a request and
// its answer.
func faults() []Token {
	failed := func(status int, code string) step {
		return step{outcome: outcomeNone, delivery: deliverError, status: status, code: code}
	}
	onDate := func(s step) step { s.date = true; return s }
	done := func(d delivery) step { return step{outcome: outcomeEffect, delivery: d} }
	undone := func(d delivery) step { return step{outcome: outcomeNone, delivery: d} }
	return []Token{
		{"429", "refuses; Retry-After in seconds (1s)", failed(429, CodeRateLimited).after(time.Second)},
		{"429_date", "refuses; Retry-After as a date (2s)", onDate(failed(429, CodeRateLimited).after(soon))},
		{"401", "refuses the credential", failed(401, CodeUnauthorized)},
		{"400", "refuses the request", failed(400, CodeInvalidRequest)},
		{"500_before_effect", "fails without an effect", failed(500, CodeServerError)},
		{"500_after_effect", "fails after the effect", step{outcome: outcomeEffect, delivery: deliverError, status: 500, code: CodeServerError}},
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
		{"late", "closes the connection; the request arrives after a while (2s)", undone(deliverDropLater).after(soon)},
		{"twice", "has its effect; a copy of the request arrives after a while (1s)", done(deliverTwice).after(time.Second)},
	}
}

// tokenPrefix begins every token.
const tokenPrefix = "tok_"

// maxWait bounds the duration that a token may ask for.
const maxWait = time.Hour

// grammar holds the steps of each verb by their names.
type grammar map[Kind]map[string]step

func newGrammar() grammar {
	g := make(grammar)
	g[verbAuthorize] = byName(authorizeSteps())
	for _, verb := range verbs() {
		g[verb] = byName(furtherSteps(verb))
	}
	return g
}

func byName(tokens []Token) map[string]step {
	steps := map[string]step{}
	for _, t := range tokens {
		steps[t.Name] = t.step
	}
	return steps
}

// parse reads a token; its error is for whoever wrote it.
func (g grammar) parse(token string) (plan, error) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return nil, fmt.Errorf("a token begins with %s", tokenPrefix)
	}
	p, verb := make(plan), verbAuthorize
	for {
		section, next, tail := cutVerb(rest)
		s, err := g.script(verb, section)
		if err != nil {
			return nil, err
		}
		p[verb] = append(p[verb], s)
		if next == verbAuthorize {
			return p, nil
		}
		verb, rest = next, tail
	}
}

// cutVerb cuts a token before the first verb in it; the verb is empty if there
// is none.
func cutVerb(s string) (section string, verb Kind, rest string) {
	section = s
	for _, v := range verbs() {
		if before, after, found := strings.Cut(s, "_"+string(v)+"_"); found && len(before) < len(section) {
			section, verb, rest = before, v, after
		}
	}
	return section, verb, rest
}

// script reads the steps of a verb.
func (g grammar) script(verb Kind, section string) (script, error) {
	var s script
	section, s.always = strings.CutSuffix(section, "_always")
	for name := range strings.SplitSeq(section, "_then_") {
		next, err := g.step(verb, name)
		if err != nil {
			return script{}, err
		}
		s.steps = append(s.steps, next)
	}
	return s, nil
}

// step reads one step, with the duration that may follow its name.
func (g grammar) step(verb Kind, name string) (step, error) {
	if s, ok := g[verb][name]; ok {
		return s, nil
	}
	i := max(strings.LastIndexByte(name, '_'), 0)
	s, known := g[verb][name[:i]]
	if !known {
		return step{}, fmt.Errorf("no step of %s is named %q", cmp.Or(verb, "authorize"), name)
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
