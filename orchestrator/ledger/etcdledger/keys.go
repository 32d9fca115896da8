package etcdledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// keys is the layout of the ledger in etcd. Every record of a tenant is below it,
// so no key of one tenant can name a record of another. The keys that every call
// makes are joined, not formatted, which is measurably less work.
//
//	op/{tenant}/{method}/{kh}         the operation: the truth
//	inflight/{tenant}/{method}/{kh}   its in-flight marker, under the owner's lease
//	open/{shard}/{kh}                 entry of an operation that is not final
//	payment/{tenant}/{payment}        the payment; ids sort by time
//	mref/{tenant}/{hash}/{payment}    merchant reference → payment
//	uniq/{tenant}/{hash}              merchant reference → the one payment that has it
//	ref/{account}/{hash}              a reference at a provider → operation
//	event/{account}/{hash}            an event that was taken in, under a lease of a month
//	attention/{tenant or _}/{id}      what a person must look at; _ is nobody's
//	session/{boot}                    who lives, under its lease
//	meta/…                            what must never change under a deployment
type keys struct {
	prefix string
}

func (k keys) operation(op payment.OperationKey) string {
	return k.prefix + "/op/" + string(op.Tenant) + "/" + string(op.Method()) + "/" + string(op.Hash())
}

func (k keys) marker(op payment.OperationKey) string {
	return k.prefix + "/inflight/" + string(op.Tenant) + "/" + string(op.Method()) + "/" + string(op.Hash())
}

// shard is the common beginning of a shard's open entries.
func (k keys) shard(n int) string { return fmt.Sprintf("%s/open/%02d/", k.prefix, n) }

func (k keys) open(op payment.OperationKey) string {
	return k.shard(ledger.Shard(op)) + string(op.Hash())
}

// payments is the common beginning of a tenant's payments.
func (k keys) payments(tenant payment.TenantID) string {
	return k.prefix + "/payment/" + string(tenant) + "/"
}

func (k keys) payment(tenant payment.TenantID, id payment.ID) string {
	return k.payments(tenant) + string(id)
}

// merchantReferences is the common beginning of the entries of one merchant reference.
func (k keys) merchantReferences(tenant payment.TenantID, r payment.MerchantReference) string {
	return fmt.Sprintf("%s/mref/%s/%s/", k.prefix, tenant, short(string(tenant), string(r)))
}

func (k keys) merchantReference(p payment.Payment) string {
	return k.merchantReferences(p.Tenant, p.MerchantReference) + string(p.ID)
}

// unique names the entry of a merchant reference that one payment has.
func (k keys) unique(p payment.Payment) string {
	return fmt.Sprintf("%s/uniq/%s/%s", k.prefix, p.Tenant, short(string(p.Tenant), string(p.MerchantReference)))
}

func (k keys) reference(r ledger.Reference) string {
	return k.prefix + "/ref/" + string(r.Account) + "/" + short(string(r.Account), r.Name)
}

func (k keys) event(e payment.EventKey) string {
	return fmt.Sprintf("%s/event/%s/%s", k.prefix, e.Account, short(string(e.Account), e.ID))
}

// attentions is the common beginning of what a tenant's people must look at; of
// what is nobody's for tenant "".
func (k keys) attentions(tenant payment.TenantID) string {
	if tenant == "" {
		tenant = payment.Nobody
	}
	return fmt.Sprintf("%s/attention/%s/", k.prefix, tenant)
}

func (k keys) attention(a payment.Attention) string { return k.attentions(a.Tenant) + a.ID }

// sessions is the common beginning of the sessions' keys.
func (k keys) sessions() string { return k.prefix + "/session/" }

func (k keys) meta(name string) string { return k.prefix + "/meta/" + name }

func (k keys) anchor(name string) string { return k.meta("anchor/" + name) }

// short stands for parts in a key: what callers and providers call things may
// hold any character and have any length.
func short(parts ...string) string {
	h := sha256.New()
	payment.WriteParts(h, parts...)
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// idFrom is what every payment id that was made at a millisecond or later is not
// less than: its ids are UUIDv7, which begin with the time.
func idFrom(ms int64) string {
	ms = min(max(0, ms), 1<<48-1)
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// timeOfID is the millisecond that an id, or what idFrom returned, begins with.
func timeOfID(id string) (int64, bool) {
	if len(id) < len(idFrom(0)) {
		return 0, false
	}
	begin := id[:len(idFrom(0))]
	ms, err := strconv.ParseInt(strings.Replace(begin, "-", "", 1), 16, 64)
	return ms, err == nil && idFrom(ms) == begin
}

// segment reports whether s names exactly one level of a key.
func segment(s string) bool { return s != "" && !strings.ContainsAny(s, "/\x00") }
