package simulation

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// intent is what somebody wants done, under one key: callers ask for it, maybe two
// at a time, until there is an answer or they have had enough.
type intent struct {
	name    string
	tenant  payment.TenantID
	method  payment.Method
	key     payment.IdempotencyKey
	rpc     string
	request proto.Message
	amount  int64   // of the operation, minor units; 0 if the provider or the ledger says it
	on      *intent // the authorization that it is about

	operation payment.OperationKey // that it is about

	payment  payment.ID     // as its answers said
	asked    int            // calls so far
	open     int            // calls that have not ended
	again    int            // calls that it will still make after its answer
	next     time.Time      // no call earlier
	settled  bool           // it has an answer that will not change
	resigned bool           // it asks no more, though it does not know
	patience int            // calls that it will still make in a quiet world
	told     payment.Reason // why its last call was refused; "" if it was not
}

// callerPatience is how long a caller of a quiet world goes on asking.
const callerPatience = 12

// drawAuthorizations decides what is authorized in this history: by whom, for how
// much, and who else comes with the same key.
func (w *world) drawAuthorizations() {
	n := 1 + w.rng.IntN(2)
	for k := range n {
		first := w.authorization(fmt.Sprintf("auth%d", k+1), "red", fmt.Sprintf("order-%d", k+1), 1000+int64(k)*10)
		if w.rng.IntN(3) == 0 {
			w.authorization(first.name+"-forged", "red", string(first.key), first.amount+1)
		}
		if w.rng.IntN(4) == 0 {
			w.authorization(first.name+"-other", "blue", string(first.key), first.amount+2)
		}
	}
	w.orders, w.shoppers = 1+w.rng.IntN(6), 1+w.rng.IntN(3)
}

func (w *world) authorization(name string, tenant payment.TenantID, key string, amount int64) *intent {
	set := &acquitv1.TokenSet{}
	for _, p := range w.providers {
		set.Tokens = append(set.Tokens, &acquitv1.AccountToken{Account: string(p.name), Token: &acquitv1.AccountToken_StoredId{StoredId: "token"}})
	}
	mode := acquitv1.CaptureMode_CAPTURE_MODE_MANUAL
	if w.rng.IntN(4) == 0 {
		mode = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC
	}
	return w.want(&intent{
		name: name, tenant: tenant, method: payment.MethodAuthorize, key: payment.IdempotencyKey(key), amount: amount,
		rpc: acquitv1.PaymentService_Authorize_FullMethodName,
		request: &acquitv1.AuthorizeRequest{
			MerchantReference: "order", Amount: euro(amount), CaptureMode: mode,
			PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: set}},
		},
	})
}

// order wants something done about a payment that exists.
func (w *world) order(on *intent) {
	w.orders--
	n := len(w.intents) + 1
	i := &intent{tenant: on.tenant, on: on, key: payment.IdempotencyKey(fmt.Sprintf("order-%d", n))}
	id := string(on.payment)
	amount := w.drawAmount(on)
	i.amount = amount.GetMinorUnits()
	switch w.rng.IntN(7) {
	case 0, 1, 2, 3:
		i.method, i.rpc = payment.MethodCapture, acquitv1.PaymentService_Capture_FullMethodName
		i.request = &acquitv1.CaptureRequest{PaymentId: id, Amount: amount, Final: w.rng.IntN(3) == 0}
	case 4, 5:
		i.method, i.rpc = payment.MethodRefund, acquitv1.PaymentService_Refund_FullMethodName
		i.request = &acquitv1.RefundRequest{PaymentId: id, Amount: amount}
	default:
		i.method, i.rpc, i.amount = payment.MethodVoid, acquitv1.PaymentService_Void_FullMethodName, 0
		i.request = &acquitv1.VoidRequest{PaymentId: id}
	}
	i.name = fmt.Sprintf("%s%d", i.method, n)
	w.want(i)
	w.history.logf("somebody wants %s of %d on %s", i.name, i.amount, on.name)
	if capture, ok := i.request.(*acquitv1.CaptureRequest); ok && amount != nil && w.rng.IntN(5) == 0 { // the same key for something else
		forged := &intent{
			name: i.name + "-forged", tenant: i.tenant, on: on, key: i.key, method: i.method, rpc: i.rpc, amount: i.amount + 1,
			request: &acquitv1.CaptureRequest{PaymentId: id, Amount: euro(i.amount + 1), Final: capture.GetFinal()},
		}
		w.want(forged)
	}
}

// drawAmount is what an order is for: a part, the whole, too much, or the rest.
func (w *world) drawAmount(on *intent) *acquitv1.Money {
	share := draw(w.rng, []weighted[int64]{{3, 0}, {3, 4}, {3, 2}, {2, 1}})
	switch {
	case share == 0:
		return nil
	case w.rng.IntN(12) == 0:
		return euro(on.amount + 500)
	}
	return euro(on.amount / share)
}

func euro(units int64) *acquitv1.Money {
	return &acquitv1.Money{MinorUnits: units, CurrencyCode: "EUR"}
}

func (w *world) want(i *intent) *intent {
	i.again = w.rng.IntN(3)
	i.operation = payment.Call{Tenant: i.tenant, Method: i.method, Key: i.key}.OperationKey()
	w.intents = append(w.intents, i)
	return i
}

// call is one call of an intent at one process.
type call struct {
	w             *world
	intent        *intent
	boot          *boot
	number        int
	parts         int
	cancel        context.CancelFunc
	answer        answer
	settledBefore bool // the operation had its response when the call began
}

func (c *call) label() label { return label{intent: c.intent.name, call: c.number} }

// ask makes a call of an intent.
func (w *world) ask(i *intent, b *boot, patience time.Duration) {
	i.asked++
	i.open++
	c := &call{w: w, intent: i, boot: b, number: i.asked, answer: answer{lost: true}}
	op, known := w.judge.ops[i.operation]
	c.settledBefore = known && op.Response != nil
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.cancel = cancel
	w.calls = append(w.calls, c)
	w.history.logf("%s calls %s for %s", c.label(), b.id, patience.Round(time.Millisecond))
	go c.run(thread{label: c.label(), boot: b, parts: &c.parts}.in(ctx))
}

// run makes the call. If the process dies under it, its goroutine ends inside.
func (c *call) run(ctx context.Context) {
	defer func() {
		c.cancel()
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		c.w.ended = append(c.w.ended, c)
	}()
	i := c.intent
	m, s, err := c.boot.invoke(ctx, i.rpc, i.tenant, i.key, i.request)
	a := answer{retry: s.says("acquit-should-retry"), replayed: s.says("acquit-idempotent-replayed")}
	switch {
	case err != nil:
		a.reason = reasonOf(err)
		a.lost = a.reason == "" // the caller has left
	case m != nil:
		a.bytes = m.ProtoReflect().GetUnknown()
	}
	a.lost = a.lost || ctx.Err() != nil // whoever has left hears nothing, not even what is on its way
	c.answer = a
}

// endCall takes in what a caller got, and what it does about that.
func (w *world) endCall(c *call) {
	for n, running := range w.calls {
		if running == c {
			w.calls = append(w.calls[:n], w.calls[n+1:]...)
			break
		}
	}
	i := c.intent
	i.open--
	c.answer.lost = c.answer.lost || c.boot.is(dead)
	i.next = time.Now().Add(time.Duration(w.rng.IntN(20_000)) * time.Millisecond)
	if c.answer.lost {
		w.history.logf("%s is not answered", c.label())
		return
	}
	said := w.judge.answered(c)
	i.told = c.answer.reason
	w.history.logf("%s is answered %s", c.label(), said.text)
	switch {
	case c.answer.reason != "" && !c.answer.retry:
		i.settled = true
	case c.answer.reason == "":
		i.payment = said.payment
		i.settled = i.settled || !c.answer.retry
	}
	if !i.settled && !w.quiet && i.asked > w.plan.patience {
		i.resigned = true
		w.history.logf("%s asks no more", i.name)
		w.history.saw("caller gave up")
	}
}

// ready lists the intents that somebody may ask for now.
func (w *world) ready() []*intent {
	var list []*intent
	for _, i := range w.intents {
		waits := i.resigned || (i.settled && i.again == 0) || time.Now().Before(i.next)
		if !waits && i.open < 2 { // of three in one process, which one goes first is the runtime's choice
			list = append(list, i)
		}
	}
	return list
}

// callSomebody lets one intent be asked for.
func (w *world) callSomebody(ready []*intent, at []*boot) {
	i := ready[w.rng.IntN(len(ready))]
	if i.settled {
		i.again--
	}
	patience := time.Duration(1+w.rng.IntN(30))*time.Second + time.Duration(w.rng.IntN(1_000_000))*time.Microsecond
	w.ask(i, at[w.rng.IntN(len(at))], patience)
}

// payable lists the authorizations whose payments are known to their callers.
func (w *world) payable() []*intent {
	var list []*intent
	for _, i := range w.intents {
		if i.method == payment.MethodAuthorize && i.payment != "" {
			list = append(list, i)
		}
	}
	return list
}
