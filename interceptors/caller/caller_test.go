package caller_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors/caller"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// outcome is what a caller got.
type outcome struct {
	state acquitv1.OperationState
	err   error
	took  time.Duration
}

// authorize makes one call under the key "order-1" with a deadline.
func authorize(ctx context.Context, client acquitv1.PaymentServiceClient, deadline time.Duration, options ...grpc.CallOption) outcome {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	began := time.Now()
	answer, err := client.Authorize(ctx, request(), append(options, caller.Under("order-1"))...)
	return outcome{answer.GetOperation().GetState(), err, time.Since(began)}
}

// Goal: a call is repeated exactly while the same key can bring another answer,
// and every repetition has the key of the first. Method: scripts of answers behind
// the production chain; the keys as they arrived.
func TestRepeatsWhileTheSameKeyCanHelp(t *testing.T) {
	t.Parallel()
	hang := step{err: status.Error(codes.Unavailable, "told by nobody of ours"), takes: time.Second}
	for name, c := range map[string]struct {
		script []step
		calls  int
		code   codes.Code
		state  acquitv1.OperationState
	}{
		"the answer at once":            {[]step{{state: succeeded}}, 1, codes.OK, succeeded},
		"a decline is an answer":        {[]step{{state: declined}}, 1, codes.OK, declined},
		"in flight, then the answer":    {[]step{refused(payment.ReasonKeyInFlight, 0), refused(payment.ReasonKeyInFlight, 0), {state: succeeded}}, 3, codes.OK, succeeded},
		"the ledger is away for a time": {[]step{refused(payment.ReasonLedgerUnavailable, 0), {state: succeeded}}, 2, codes.OK, succeeded},
		"the outcome is not durable":    {[]step{refused(payment.ReasonOutcomePending, 0), {state: succeeded}}, 2, codes.OK, succeeded},
		"a bug of the server":           {[]step{hang, {state: succeeded}}, 2, codes.OK, succeeded}, // the chain makes INTERNAL of it
		"the parent is not known yet":   {[]step{refused(payment.ReasonParentUnknown, 0), {state: succeeded}}, 2, codes.OK, succeeded},
		"another payload":               {[]step{refused(payment.ReasonKeyReused, 0), {state: succeeded}}, 1, codes.FailedPrecondition, 0},
		"past its retention":            {[]step{refused(payment.ReasonKeyExpired, 0), {state: succeeded}}, 1, codes.FailedPrecondition, 0},
		"not allowed":                   {[]step{refused(payment.ReasonPermissionDenied, 0), {state: succeeded}}, 1, codes.PermissionDenied, 0},
		"an interim answer":             {[]step{{state: unknown}, {state: succeeded}}, 1, codes.OK, unknown},
		"no end of it":                  {[]step{refused(payment.ReasonLedgerUnavailable, 0)}, 8, codes.Unavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, client := dial(t, caller.Config{}, c.script...)
				got := authorize(t.Context(), client, time.Minute)
				if status.Code(got.err) != c.code || got.state != c.state {
					t.Errorf("got %s, %v, want %s, %s", got.state, got.err, c.state, c.code)
				}
				s.had(t, c.calls, "order-1")
			})
		})
	}
}

// Goal: a call is not sent again earlier than the server asks, nor by all callers
// at one moment. Method: the times between the calls that arrived, against the
// delay asked for and against the bounds of the own wait; two callers differ.
func TestWaitsAsLongAsAsked(t *testing.T) {
	t.Parallel()
	asked := 7 * time.Second
	var each [2][]time.Duration
	for i := range each {
		synctest.Test(t, func(t *testing.T) {
			s, client := dial(t, caller.Config{FirstWait: time.Second, LongestWait: 2 * time.Second},
				refused(payment.ReasonKeyInFlight, asked), refused(payment.ReasonNoRoute, 0), refused(payment.ReasonNoRoute, 0), step{state: succeeded})
			if got := authorize(t.Context(), client, time.Minute); got.err != nil {
				t.Fatal(got.err)
			}
			each[i] = s.waits()
		})
	}
	for _, waits := range each {
		for i, bounds := range [][2]time.Duration{
			{asked + time.Second/2, asked + 3*time.Second/2}, {time.Second, 3 * time.Second}, {time.Second, 3 * time.Second},
		} {
			if waits[i] < bounds[0] || waits[i] > bounds[1] {
				t.Errorf("wait %d was %s, want %s to %s", i+1, waits[i], bounds[0], bounds[1])
			}
		}
	}
	if each[0][0] == each[1][0] && each[0][1] == each[1][1] {
		t.Errorf("two callers waited alike: %v", each)
	}
}

// Goal: a server that says "not again" is obeyed, and so is one whose word cannot
// be read. Method: the trailer beside a refusal that is repeated without it.
func TestPushbackStops(t *testing.T) {
	t.Parallel()
	for pushback, calls := range map[string]int{"": 2, "0": 2, "-1": 1, "soon": 1} {
		t.Run(pushback, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := refused(payment.ReasonNoRoute, 0)
				if pushback != "" {
					first.trailer = metadata.Pairs("grpc-retry-pushback-ms", pushback)
				}
				s, client := dial(t, caller.Config{}, first, step{state: succeeded})
				got := authorize(t.Context(), client, time.Minute)
				if (got.err == nil) != (calls == 2) {
					t.Errorf("got %v", got.err)
				}
				s.had(t, calls, "order-1")
			})
		})
	}
}

// Goal: no repetition is begun that cannot end in time, so that the caller keeps
// the error that says something, and keeps it early. Method: a server that asks
// for more time than there is.
func TestTheDeadlineBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := dial(t, caller.Config{}, refused(payment.ReasonLedgerUnavailable, 4*time.Second))
		got := authorize(t.Context(), client, 8*time.Second)
		if status.Code(got.err) != codes.Unavailable || got.took > 5*time.Second {
			t.Errorf("got %v after %s, want UNAVAILABLE before the deadline", got.err, got.took)
		}
		s.had(t, 2, "order-1")
	})
}

// Goal: whoever cancels is not kept waiting. Method: cancel between two calls.
func TestCancelEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := dial(t, caller.Config{}, refused(payment.ReasonLedgerUnavailable, 20*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if got := authorize(ctx, client, time.Minute); status.Code(got.err) != codes.Canceled || got.took != time.Second {
			t.Errorf("got %v after %s", got.err, got.took)
		}
		s.had(t, 1, "order-1")
	})
}

// Goal: UntilStored goes on with the same key until there is an outcome; when no
// time is left it returns the last answer, which is not an error. Method: scripts
// with interim answers, as an option and as the connection's default.
func TestUntilStored(t *testing.T) {
	t.Parallel()
	interim, away := step{state: unknown}, refused(payment.ReasonLedgerUnavailable, 0)
	for name, c := range map[string]struct {
		script   []step
		deadline time.Duration
		code     codes.Code
		state    acquitv1.OperationState
		calls    int // 0: several
	}{
		"until the outcome":                  {[]step{interim, interim, {state: succeeded}}, time.Minute, codes.OK, succeeded, 3},
		"through errors, not counted on":     {[]step{interim, away, away, away, interim, away, away, away, {state: declined}}, 2 * time.Minute, codes.OK, declined, 9},
		"until the deadline":                 {[]step{interim}, 20 * time.Second, codes.OK, unknown, 0},
		"the last answer outlives an outage": {[]step{interim, away}, 20 * time.Second, codes.OK, unknown, 0},
		"and a call that hangs":              {[]step{interim, {takes: time.Hour}}, 20 * time.Second, codes.OK, unknown, 2},
		"but not a refusal for good":         {[]step{interim, refused(payment.ReasonKeyExpired, 0)}, 20 * time.Second, codes.FailedPrecondition, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, client := dial(t, caller.Config{Attempts: 4}, c.script...)
				got := authorize(t.Context(), client, c.deadline, caller.UntilStored())
				if status.Code(got.err) != c.code || (got.err == nil && got.state != c.state) || got.took > c.deadline {
					t.Errorf("got %s, %v after %s, want %s, %s", got.state, got.err, got.took, c.state, c.code)
				}
				if c.calls == 0 {
					if c.calls = s.asked(); c.calls < 5 {
						t.Errorf("it asked only %d times", c.calls)
					}
				}
				s.had(t, c.calls, "order-1")
			})
		})
	}
}

// Goal: an interim answer is not lost when the server falls silent after it.
// Method: a connection that loses everything from some moment on, and a deadline
// before that can be noticed.
func TestTheInterimAnswerOutlivesSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := dial(t, caller.Config{}, step{state: unknown})
		time.AfterFunc(5*time.Second, func() { s.deaf.Store(true) })
		got := authorize(t.Context(), client, 20*time.Second, caller.UntilStored())
		if got.err != nil || got.state != unknown || got.took != 20*time.Second {
			t.Errorf("got %s, %v after %s", got.state, got.err, got.took)
		}
	})
}

// naming is how a call names its key.
type naming struct {
	context  caller.Key
	metadata []string // as an older caller sets them
	options  []grpc.CallOption
}

// call makes a call, without a deadline.
func (n naming) call(t *testing.T, client acquitv1.PaymentServiceClient) error {
	t.Helper()
	ctx := t.Context()
	if n.context != "" {
		ctx = caller.WithKey(ctx, n.context)
	}
	if len(n.metadata) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, metadata.MD{"idempotency-key": n.metadata})
	}
	_, err := client.Authorize(ctx, request(), n.options...)
	return err
}

// Goal: a call that acquit would refuse for its key, or that might never end, is
// refused here, with a code and a sentinel. Method: such calls; nothing arrives.
func TestRefusedHere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		naming

		want error
	}{
		"no key":              {naming{}, caller.ErrKeyRequired},
		"an empty key":        {naming{options: []grpc.CallOption{caller.Under("")}}, caller.ErrKeyInvalid},
		"a long key":          {naming{context: caller.Key(strings.Repeat("k", 129))}, caller.ErrKeyInvalid},
		"a space at its end":  {naming{context: "k "}, caller.ErrKeyInvalid},
		"a space before it":   {naming{metadata: []string{" k"}}, caller.ErrKeyInvalid},
		"not ASCII":           {naming{context: "bestellung-für-7"}, caller.ErrKeyInvalid},
		"two keys":            {naming{metadata: []string{"other"}, options: []grpc.CallOption{caller.Under("order-1")}}, caller.ErrKeyAmbiguous},
		"two of the metadata": {naming{metadata: []string{"same", "same"}}, caller.ErrKeyAmbiguous},
		"no deadline":         {naming{context: "k", options: []grpc.CallOption{caller.UntilStored()}}, caller.ErrNoDeadline},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, client := dial(t, caller.Config{}, step{state: succeeded})
			if err := c.call(t, client); !errors.Is(err, c.want) || status.Code(err) != codes.InvalidArgument {
				t.Errorf("got %v, want %v", err, c.want)
			}
			s.had(t, 0, "")
		})
	}
}

// Goal: the key may come from an option, the context or the metadata, in this
// order. Method: the key that arrived.
func TestWhereTheKeyComesFrom(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("~", 128)
	for want, n := range map[string]naming{
		"option":   {context: "context", options: []grpc.CallOption{caller.Under("option")}},
		"context":  {context: "context"},
		"metadata": {metadata: []string{"metadata"}},
		"both":     {metadata: []string{"both"}, options: []grpc.CallOption{caller.Under("both")}},
		longest:    {context: caller.Key(longest)},
	} {
		t.Run(want[:min(8, len(want))], func(t *testing.T) {
			t.Parallel()
			s, client := dial(t, caller.Config{}, step{state: succeeded})
			if err := n.call(t, client); err != nil {
				t.Error(err)
			}
			s.had(t, 1, want)
		})
	}
}

// Goal: reads need no key, and are repeated by gRPC on UNAVAILABLE alone, no
// earlier than asked. Method: scripts for a read; the calls that arrived.
func TestReads(t *testing.T) {
	t.Parallel()
	away := refused(payment.ReasonLedgerUnavailable, 3*time.Second)
	for name, c := range map[string]struct {
		script []step
		calls  int
		code   codes.Code
	}{
		"unavailable for a time": {[]step{away, away, {}}, 3, codes.OK},
		"unavailable":            {[]step{away}, 4, codes.Unavailable},
		"not found":              {[]step{refused(payment.ReasonNotFound, 0), {}}, 1, codes.NotFound},
		"a bug of the server":    {[]step{refused(payment.ReasonInternal, 0), {}}, 1, codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, client := dial(t, caller.Config{}, c.script...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := client.GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: "p"})
				if status.Code(err) != c.code || s.asked() != c.calls {
					t.Errorf("%d calls arrived, then %v; want %d, %s", s.asked(), err, c.calls, c.code)
				}
				for _, wait := range s.waits() {
					if wait < 3*time.Second {
						t.Errorf("asked again after %s", wait)
					}
				}
			})
		})
	}
}

// Goal: gRPC repeats no keyed method by itself, and spreads calls. Method: the
// service config, as it is read by any language's gRPC.
func TestServiceConfig(t *testing.T) {
	t.Parallel()
	var config struct {
		LoadBalancing []map[string]any `json:"loadBalancingConfig"`
		Methods       []struct {
			Names []struct {
				Service string `json:"service"`
				Method  string `json:"method"`
			} `json:"name"`
		} `json:"methodConfig"`
	}
	if err := json.Unmarshal([]byte(caller.ServiceConfig()), &config); err != nil {
		t.Fatal(err)
	}
	if _, ok := config.LoadBalancing[0]["round_robin"]; !ok || len(config.Methods) != 1 {
		t.Errorf("got %+v", config)
	}
	reads := map[string]bool{}
	for _, n := range config.Methods[0].Names {
		reads[n.Service+"/"+n.Method] = true
	}
	for method, want := range map[string]bool{
		"PaymentService/Authorize": false, "PaymentService/Capture": false, "PaymentService/Refund": false, "PaymentService/Void": false,
		"PaymentService/CompleteAuthorization": false, "OperatorService/ResolveOperation": false, "OperatorService/RetryOperation": false,
		"PaymentService/GetPayment": true, "PaymentService/GetOperation": true, "PaymentService/ListPayments": true,
		"PaymentService/WatchPayment": true, "OperatorService/ListAccounts": true, "PaymentService/": false,
	} {
		if reads["acquit.v1."+method] != want {
			t.Errorf("%s: repeated by gRPC: %t, want %t", method, !want, want)
		}
	}
}

// Goal: who can change a record of a name server cannot change how calls are
// made. Method: a resolver with a service config that leaves calls no time.
func TestTheNameServerConfiguresNothing(t *testing.T) {
	t.Parallel()
	names, asked := manual.NewBuilderWithScheme("names"), false
	names.BuildCallback = func(_ resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) {
		asked = true
		names.InitialState(resolver.State{
			Addresses:     []resolver.Address{{Addr: "acquit"}},
			ServiceConfig: conn.ParseServiceConfig(`{"methodConfig": [{"name": [{}], "timeout": "0s"}]}`),
		})
	}
	s, client := dialBy(t, "names:///acquit", append(caller.DialOptions(caller.Config{}), grpc.WithResolvers(names)), step{state: succeeded})
	if got := authorize(t.Context(), client, time.Minute); got.err != nil || !asked {
		t.Errorf("got %v, the resolver was asked: %t", got.err, asked)
	}
	s.had(t, 1, "order-1")
}

// Goal: a server that is gone without a word is noticed, and the call goes on by
// another connection under its key. Method: a connection that loses everything
// that is written to it, once, while a call is under way.
func TestADeadConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := dial(t, caller.Config{}, step{state: succeeded})
		if got := authorize(t.Context(), client, time.Minute); got.err != nil {
			t.Fatal(got.err)
		}
		s.deaf.Store(true)
		got := authorize(t.Context(), client, 2*time.Minute)
		if got.err != nil || got.took < 20*time.Second || got.took > 45*time.Second {
			t.Errorf("got %v after %s", got.err, got.took)
		}
		s.had(t, 2, "order-1")
	})
}
