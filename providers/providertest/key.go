package providertest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

func keyProperties() []property {
	return []property{
		{"every send carries its own key as it was recorded", carriesKey},
		{"random sends are built twice alike, or refused without being sent", randomSends},
	}
}

const lowerHex = "0123456789abcdef"

// Goal: the key that was recorded is the one that the provider sees, and fits
// what it takes. Method: keys as the keyring derives them, over the wire.
//
// Shows R14.
func carriesKey(w *world) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, s := range w.writes() {
		for range 20 {
			s.Key = payment.ProviderKey(text(random, lowerHex, 32))
			r := w.build(w.New(w.Credentials[0]), s)
			if r.Key != w.spelled(s.Key) || len(r.Key) > w.traits.KeyMax {
				w.Errorf("%s, step %s: key %s became %s, of at most %d characters", s.Method, s.Step, s.Key, r.Key, w.traits.KeyMax)
			}
			w.send(s)
			if got := w.server.take()[0]; w.keyIn(s)(got) != s.Key {
				w.Errorf("%s, step %s: key %s is not in %s %s %v", s.Method, s.Step, s.Key, got.Method, got.URI, got.Header)
			}
		}
	}
}

// Goal: no instruction that validation lets through makes a request that is not
// fit to be sent, or two different ones. Method: sends whose free fields are
// random, with the characters that encodings trip over.
//
// Shows R14.
func randomSends(w *world) {
	random := rand.New(rand.NewPCG(3, 4))
	built := 0
	for range 300 {
		for _, s := range w.writes() {
			scramble(random, &s)
			one, err := w.guard.Prepare(s)
			if err != nil {
				if strings.Contains(err.Error(), "panic") || strings.Contains(err.Error(), string(s.Key)) {
					w.Errorf("%+v: %v", s, err)
				}
				continue
			}
			built++
			other, err := w.open(w.Credentials[1], w.server.URL).Prepare(w.sealed(s))
			if err != nil || one != other {
				w.Errorf("%+v: built twice, differently; error %v", s, err)
			}
			r := w.build(w.New(w.Credentials[0]), s)
			w.check(r, s)
		}
	}
	if built < 100 {
		w.Errorf("only %d of the random sends have a form: the property shows nothing", built)
	}
	if n := len(w.server.take()); n != 0 {
		w.Errorf("%d requests were sent while they were only built", n)
	}
}

// check reports what no request may hold.
func (w *world) check(r providers.Request, s payment.Send) {
	whole := fmt.Sprint(r.Path, r.Header, string(r.Body))
	if r.Key != w.spelled(s.Key) {
		w.Errorf("%s: key %s became %s", s.Method, s.Key, r.Key)
	}
	if strings.Contains(whole, string(w.Credentials[0])) {
		w.Errorf("%s: the credential is in what is hashed and recorded", s.Method)
	}
	if key := string(s.Instruction.IdempotencyKey); key != "" && strings.Contains(whole, key) {
		w.Errorf("%s: the caller's own key is in the request", s.Method)
	}
}

// scramble makes the free fields of a send random, within the contract's limits.
func scramble(r *rand.Rand, s *payment.Send) {
	const printable = "ABCXYZabcxyz0189 -_.,:;/\\&=?%+#'\"()<>[]{}|~^$@!*"
	const foreign = printable + "äßéñЖ中日\u2028\u00a0"
	s.Key = payment.ProviderKey(text(r, lowerHex, 32))
	s.Reference = payment.ReferenceID(text(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 24))
	s.Amount.MinorUnits = r.Int64N(1 << r.IntN(62))
	if r.IntN(4) == 0 {
		s.Amount.CurrencyCode = []string{"USD", "JPY", "KWD", "ISK", "UGX", "MGA", "CLF", "XXX"}[r.IntN(8)]
	}
	in := &s.Instruction
	in.IdempotencyKey = payment.IdempotencyKey("callerskey" + text(r, printable, 1+r.IntN(100)))
	in.MerchantReference = payment.MerchantReference(text(r, printable, r.IntN(64)))
	in.Reason = text(r, foreign, r.IntN(60))
	if s.Method != payment.MethodAuthorize {
		return
	}
	in.StatementDescriptor = text(r, printable, r.IntN(17))
	in.ReturnURL = "https://shop.example/" + text(r, "abc/?&=%20", r.IntN(40))
	in.Metadata = map[string]string{}
	for range r.IntN(11) {
		in.Metadata[text(r, foreign, 1+r.IntN(10))] = text(r, foreign, r.IntN(40))
	}
	if r.IntN(2) == 0 {
		in.CaptureMode = payment.CaptureManual
	}
}

// text is n random characters of an alphabet.
func text(r *rand.Rand, alphabet string, n int) string {
	runes := []rune(alphabet)
	var out strings.Builder
	for range n {
		out.WriteRune(runes[r.IntN(len(runes))])
	}
	return out.String()
}
