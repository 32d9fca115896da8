package retry

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const s = time.Second

func verdict(e payment.Evidence, r payment.Resend) payment.Verdict {
	return payment.Verdict{Evidence: e, Resend: r}
}

// question is one with much time left and no jitter.
func question(sends int, r payment.Resend, t payment.Transport) Question {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return Question{
		Sends: sends, Verdict: verdict(payment.EvidenceUnknown, r), Transport: t,
		Now: now, Until: now.Add(time.Hour), Random: 0.5,
	}
}

// Goal: the waits are those of the table in the package comment. Method: the
// default policy with the middle random number, send after send.
//
// Shows R4, R5, R6 and R38.
func TestWaitsOfTheDefaultPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		resend    payment.Resend
		transport payment.Transport
		bound     time.Duration
		want      []time.Duration
	}{
		"after no answer":   {payment.ResendImmediate, payment.TransportBroken, 0, []time.Duration{0, s, 2 * s, 4 * s, 10 * s, 30 * s}},
		"never sent":        {payment.ResendImmediate, payment.TransportNeverSent, 0, []time.Duration{0, s, 2 * s, 4 * s, 10 * s, 30 * s}},
		"refused stream":    {payment.ResendImmediate, payment.TransportRefusedStream, 0, []time.Duration{0, s, 2 * s, 4 * s, 10 * s, 30 * s}},
		"after a timeout":   {payment.ResendBackoff, payment.TransportTimeout, 0, []time.Duration{s, 2 * s, 4 * s, 10 * s, 30 * s, 30 * s}},
		"asked to wait 5 s": {payment.ResendBackoff, payment.TransportAnswered, 5 * s, []time.Duration{5*s + 100*time.Millisecond, 5*s + 200*time.Millisecond, 5*s + 400*time.Millisecond, 10 * s, 30 * s, 30 * s}},
		"after an answer":   {payment.ResendBackoff, payment.TransportAnswered, 0, []time.Duration{s, 2 * s, 4 * s, 10 * s, 30 * s, 30 * s}},
		"never at once after an answer, whatever the table says": {payment.ResendImmediate, payment.TransportAnswered, 0, []time.Duration{s, 2 * s, 4 * s, 10 * s, 30 * s, 30 * s}},
		"nor after one that was too long":                        {payment.ResendImmediate, payment.TransportOversized, 0, []time.Duration{s, 2 * s, 4 * s, 10 * s, 30 * s, 30 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			used := false
			for i, want := range c.want {
				q := question(i+1, c.resend, c.transport)
				q.ImmediateUsed, q.LowerBound = used, c.bound
				wait, again := Default().Next(q)
				if !again || wait != want {
					t.Errorf("after send %d: %s, %t; want %s, true", i+1, wait, again, want)
				}
				used = used || wait == 0
			}
			q := question(len(c.want)+1, c.resend, c.transport)
			if wait, again := Default().Next(q); again {
				t.Errorf("after send %d: again in %s, want no end", q.Sends, wait)
			}
		})
	}
}

// Goal: each rule that forbids or bounds a resend. Method: a question that
// would be granted, changed in one respect.
//
// Shows R40.
func TestNext(t *testing.T) {
	base := question(1, payment.ResendBackoff, payment.TransportAnswered)
	for name, c := range map[string]struct {
		change func(*Policy, *Question)
		wait   time.Duration
		again  bool
	}{
		"unchanged":                                 {func(*Policy, *Question) {}, s, true},
		"the table forbids it":                      {func(_ *Policy, q *Question) { q.Verdict.Resend = payment.ResendNever }, 0, false},
		"the table says nothing":                    {func(_ *Policy, q *Question) { q.Verdict.Resend = "" }, 0, false},
		"the effect is shown":                       {func(_ *Policy, q *Question) { q.Verdict.Evidence = payment.EvidenceEffect }, 0, false},
		"it is pending":                             {func(_ *Policy, q *Question) { q.Verdict.Evidence = payment.EvidencePending }, 0, false},
		"the refusal is sticky":                     {func(_ *Policy, q *Question) { q.Verdict.Evidence = payment.EvidenceNoEffectSticky }, 0, false},
		"no effect, not sticky":                     {func(_ *Policy, q *Question) { q.Verdict.Evidence = payment.EvidenceNoEffectNotSticky }, s, true},
		"sends used up":                             {func(p *Policy, q *Question) { q.Sends = p.MaxSends }, 0, false},
		"last send":                                 {func(p *Policy, q *Question) { q.Sends = p.MaxSends - 1 }, 30 * s, true},
		"one send only":                             {func(p *Policy, _ *Question) { p.MaxSends = 1 }, 0, false},
		"the wait ends at the end":                  {func(_ *Policy, q *Question) { q.Until = q.Now.Add(s) }, 0, false},
		"the wait ends before the end":              {func(_ *Policy, q *Question) { q.Until = q.Now.Add(s + 1) }, s, true},
		"the end has passed":                        {func(_ *Policy, q *Question) { q.Until = q.Now.Add(-s) }, 0, false},
		"no wait, but the end is now":               {func(_ *Policy, q *Question) { broken(q); q.Until = q.Now }, 0, false},
		"no wait, just before the end":              {func(_ *Policy, q *Question) { broken(q); q.Until = q.Now.Add(1) }, 0, true},
		"no immediate resend configured":            {func(p *Policy, q *Question) { broken(q); p.Immediate = false }, s, true},
		"immediate resend is used":                  {func(_ *Policy, q *Question) { broken(q); q.ImmediateUsed = true }, s, true},
		"a connection that breaks later":            {func(_ *Policy, q *Question) { broken(q); q.Sends = 3 }, 4 * s, true},
		"a bound rules out at once":                 {func(_ *Policy, q *Question) { broken(q); q.LowerBound = 500 * time.Millisecond }, s, true},
		"a bound above the spacing":                 {func(_ *Policy, q *Question) { q.LowerBound = 5 * s }, 5*s + 100*time.Millisecond, true},
		"a bound below the spacing":                 {func(_ *Policy, q *Question) { q.LowerBound, q.Sends = 5*s, 4 }, 10 * s, true},
		"a bound that is not shortened":             {func(_ *Policy, q *Question) { q.LowerBound, q.Random = s, 0 }, s, true},
		"a bound beyond the end":                    {func(_ *Policy, q *Question) { q.LowerBound = 2 * time.Hour }, 0, false},
		"a bound that overflows":                    {func(_ *Policy, q *Question) { q.LowerBound, q.Until = math.MaxInt64-1, q.Now.AddDate(5000, 0, 0) }, 0, false},
		"a bound that is negative":                  {func(_ *Policy, q *Question) { q.LowerBound = -time.Hour }, s, true},
		"least jitter":                              {func(_ *Policy, q *Question) { q.Random = 0 }, 800 * time.Millisecond, true},
		"a random number out of range":              {func(_ *Policy, q *Question) { q.Random = 7 }, s, true},
		"a random number that is none":              {func(_ *Policy, q *Question) { q.Random = math.NaN() }, s, true},
		"token not renewed":                         {func(_ *Policy, q *Question) { q.Verdict.Resend = payment.ResendAfterTokenRefresh }, 0, false},
		"token renewed":                             {func(_ *Policy, q *Question) { q.Verdict.Resend, q.TokenRenewed = payment.ResendAfterTokenRefresh, true }, s, true},
		"more sends than spacings":                  {func(p *Policy, q *Question) { p.MaxSends, q.Sends = 50, 40 }, 30 * s, true},
		"a policy that was never validated":         {func(p *Policy, _ *Question) { *p = Policy{MaxSends: 3} }, 0, false},
		"a count of sends that does not make sense": {func(_ *Policy, q *Question) { q.Sends = -1 }, s, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, q := Default(), base
			c.change(&p, &q)
			wait, again := p.Next(q)
			if again != c.again || wait != c.wait {
				t.Errorf("Next = %s, %t; want %s, %t", wait, again, c.wait, c.again)
			}
		})
	}
}

func broken(q *Question) {
	q.Verdict.Resend, q.Transport = payment.ResendImmediate, payment.TransportBroken
}

// Goal: whatever is asked, sends end, waits stay inside the time that is left
// and above what the provider asked for, and nothing that was answered is
// resent at once. Method: random policies that are valid, random questions.
//
// Shows R5, R26, R32 and R42.
func TestNextHoldsItsBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	evidences := []payment.Evidence{"", payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky, payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown}
	resends := []payment.Resend{"", payment.ResendNever, payment.ResendAfterTokenRefresh, payment.ResendImmediate, payment.ResendBackoff}
	transports := []payment.Transport{"", payment.TransportAnswered, payment.TransportNeverSent, payment.TransportRefusedStream, payment.TransportTimeout, payment.TransportBroken, payment.TransportOversized}
	granted := 0
	for range 200_000 {
		p := Policy{Jitter: random.Float64(), Immediate: random.IntN(2) == 0, MaxSends: 1 + random.IntN(maxSends), EscalateAfter: s}
		space := time.Duration(0)
		for range 1 + random.IntN(6) {
			space += time.Millisecond + time.Duration(random.Int64N(int64(5*s)))
			p.Spacing = append(p.Spacing, space)
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		q := Question{
			Sends: random.IntN(maxSends + 5), Verdict: verdict(evidences[random.IntN(len(evidences))], resends[random.IntN(len(resends))]),
			Transport: transports[random.IntN(len(transports))], ImmediateUsed: random.IntN(2) == 0, TokenRenewed: random.IntN(2) == 0,
			Now: time.Unix(random.Int64N(1e9), 0), Random: random.Float64(),
		}
		q.Until = q.Now.Add(time.Duration(random.Int64N(int64(time.Minute))) - s)
		if random.IntN(2) == 0 {
			q.LowerBound = time.Duration(random.Int64N(int64(time.Minute)))
		}
		wait, again := p.Next(q)
		if !again {
			if wait != 0 {
				t.Fatalf("%+v %+v: no resend, yet a wait of %s", p, q, wait)
			}
			continue
		}
		granted++
		answered := q.Transport == payment.TransportAnswered || q.Transport == payment.TransportOversized
		least := time.Duration(float64(p.Spacing[0]) * (1 - p.Jitter))
		switch {
		case q.Sends >= p.MaxSends:
			t.Fatalf("%+v %+v: more sends than allowed", p, q)
		case !q.Now.Add(wait).Before(q.Until):
			t.Fatalf("%+v %+v: the wait of %s ends too late", p, q, wait)
		case wait < q.LowerBound:
			t.Fatalf("%+v %+v: the wait of %s is below the bound", p, q, wait)
		case q.Verdict.Resend == payment.ResendNever || q.Verdict.Resend == "":
			t.Fatalf("%+v %+v: resent against the table", p, q)
		case wait == 0 && (answered || q.Sends > 1 || q.ImmediateUsed || !p.Immediate):
			t.Fatalf("%+v %+v: resent at once", p, q)
		case wait > 0 && wait < least-1:
			t.Fatalf("%+v %+v: a wait of %s, below any spacing", p, q, wait)
		}
	}
	if granted < 1000 {
		t.Errorf("only %d resends granted: the questions test too little", granted)
	}
}

// Goal: jitter reaches both ends of its range and stays inside.
//
// Shows R32 and R65.
func TestJitterSpreads(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	low, high := time.Hour, time.Duration(0)
	for range 10_000 {
		q := question(1, payment.ResendBackoff, payment.TransportAnswered)
		q.Random = random.Float64()
		wait, _ := Default().Next(q)
		low, high = min(low, wait), max(high, wait)
	}
	if low < 800*time.Millisecond || low > 810*time.Millisecond || high < 1190*time.Millisecond || high > 1200*time.Millisecond {
		t.Errorf("waits from %s to %s, want 0.8 s to 1.2 s", low, high)
	}
}

// Goal: a policy that sends without end, without a pause, or tells nobody is refused.
// Method: the default one, changed in one respect.
//
// Shows R6 and R35.
func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("the default policy is refused: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Policy)
		want   string
	}{
		"zero sends":          {func(p *Policy) { p.MaxSends = 0 }, "max sends"},
		"negative sends":      {func(p *Policy) { p.MaxSends = -1 }, "max sends"},
		"unbounded sends":     {func(p *Policy) { p.MaxSends = math.MaxInt }, "max sends"},
		"no spacing":          {func(p *Policy) { p.Spacing = nil }, "no spacing"},
		"too many spacings":   {func(p *Policy) { p.Spacing = make([]time.Duration, 51) }, "51 spacings"},
		"zero spacing":        {func(p *Policy) { p.Spacing[0] = 0 }, "spacing 0s"},
		"negative spacing":    {func(p *Policy) { p.Spacing[0] = -s }, "spacing -1s"},
		"nanoseconds":         {func(p *Policy) { p.Spacing[0] = 5 }, "spacing 5ns"},
		"days":                {func(p *Policy) { p.Spacing[4] = 48 * time.Hour }, "spacing 48h"},
		"falling spacing":     {func(p *Policy) { p.Spacing[4] = s }, "falls"},
		"negative jitter":     {func(p *Policy) { p.Jitter = -0.1 }, "jitter"},
		"jitter of all":       {func(p *Policy) { p.Jitter = 1 }, "jitter"},
		"jitter as a percent": {func(p *Policy) { p.Jitter = 20 }, "jitter"},
		"jitter of nothing":   {func(p *Policy) { p.Jitter = math.NaN() }, "jitter"},
		"never escalated":     {func(p *Policy) { p.EscalateAfter = 0 }, "escalate"},
		"escalated in a year": {func(p *Policy) { p.EscalateAfter = 9000 * time.Hour }, "escalate"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Default()
			c.change(&p)
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Validate = %v, want an error about %q", err, c.want)
			}
		})
	}
}
