package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// schema is the version of every record's encoding. It rises when the meaning
// of a stored field changes, and then this file reads both versions.
const schema = 1

// Errors of reading a record. Neither is worth repeating: a person must look.
var (
	// ErrSchema says that a record was written in a version that this build does
	// not know. It must be neither acted upon nor written back.
	ErrSchema = errors.New("record of an unknown schema version")
	// ErrRecord says that a record is not what its place in the store calls for.
	ErrRecord = errors.New("unreadable record")
)

// The kinds of record. A kind is stored in each, so that one never passes for another.
const (
	kindOperation = "operation"
	kindPayment   = "payment"
	kindMarker    = "marker"
	kindOpen      = "open"
	kindReference = "reference"
)

// EncodeOperation writes the record of an operation: JSON, times in UTC. It
// refuses an operation that DecodeOperation would refuse.
func EncodeOperation(op payment.Operation) ([]byte, error) {
	op = cloneAttempts(op)
	if err := settleTimes(operationTimes(&op)); err != nil {
		return nil, fmt.Errorf("%w: operation %s: %w", ErrRecord, op.Key.ID, err)
	}
	if err := checkOperation(op); err != nil {
		return nil, err
	}
	return record(kindOperation, func(w *writer) { w.operation(op) })
}

// DecodeOperation reads what EncodeOperation wrote. It refuses a field or a
// state that it does not know: a build that would drop or misread what a newer
// one wrote must not touch the record. Errors: ErrSchema, ErrRecord.
func DecodeOperation(raw []byte) (payment.Operation, error) {
	op, err := decode[payment.Operation](kindOperation, raw)
	if err != nil {
		return payment.Operation{}, err
	}
	if err := settleTimes(operationTimes(&op)); err != nil {
		return payment.Operation{}, fmt.Errorf("%w: operation %s: %w", ErrRecord, op.Key.ID, err)
	}
	if err := checkOperation(op); err != nil {
		return payment.Operation{}, err
	}
	return op, nil
}

// EncodePayment writes the record of a payment: JSON, times in UTC. It refuses
// a payment that DecodePayment would refuse.
func EncodePayment(p payment.Payment) ([]byte, error) {
	p.Outside = slices.Clone(p.Outside)
	if err := settleTimes(paymentTimes(&p)); err != nil {
		return nil, fmt.Errorf("%w: payment %s: %w", ErrRecord, p.ID, err)
	}
	if err := checkPayment(p); err != nil {
		return nil, err
	}
	return record(kindPayment, func(w *writer) { w.payment(p) })
}

// DecodePayment reads what EncodePayment wrote, as strictly as DecodeOperation.
// Errors: ErrSchema, ErrRecord.
func DecodePayment(raw []byte) (payment.Payment, error) {
	p, err := decode[payment.Payment](kindPayment, raw)
	if err != nil {
		return payment.Payment{}, err
	}
	if err := settleTimes(paymentTimes(&p)); err != nil {
		return payment.Payment{}, fmt.Errorf("%w: payment %s: %w", ErrRecord, p.ID, err)
	}
	if err := checkPayment(p); err != nil {
		return payment.Payment{}, err
	}
	return p, nil
}

type markerRecord struct {
	Boot  payment.BootID `json:"boot"`
	Epoch int64          `json:"epoch"`
}

// EncodeMarker writes the value of an in-flight marker.
func EncodeMarker(m Marker) ([]byte, error) {
	if !m.Present || m.Boot == "" || m.Epoch < 1 {
		return nil, fmt.Errorf("%w: marker of boot %q in epoch %d", ErrRecord, m.Boot, m.Epoch)
	}
	return record(kindMarker, func(w *writer) { w.marker(markerRecord{Boot: m.Boot, Epoch: m.Epoch}) })
}

// DecodeMarker reads what EncodeMarker wrote; the marker it returns is present.
// Errors: ErrSchema, ErrRecord.
func DecodeMarker(raw []byte) (Marker, error) {
	m, err := decode[markerRecord](kindMarker, raw)
	if err != nil {
		return Marker{}, err
	}
	if m.Boot == "" || m.Epoch < 1 {
		return Marker{}, fmt.Errorf("%w: marker of boot %q in epoch %d", ErrRecord, m.Boot, m.Epoch)
	}
	return Marker{Present: true, Boot: m.Boot, Epoch: m.Epoch}, nil
}

type openRecord struct {
	Key payment.OperationKey `json:"key"`
	Due time.Time            `json:"due"`
}

// EncodeOpen writes the value of an entry of the open index.
func EncodeOpen(o Open) ([]byte, error) {
	r := openRecord(o)
	if err := settleTimes([]*time.Time{&r.Due}); err != nil {
		return nil, fmt.Errorf("%w: open entry of %s: %w", ErrRecord, o.Key.ID, err)
	}
	if err := o.Key.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return record(kindOpen, func(w *writer) { w.open(r) })
}

// DecodeOpen reads what EncodeOpen wrote. Errors: ErrSchema, ErrRecord.
func DecodeOpen(raw []byte) (Open, error) {
	r, err := decode[openRecord](kindOpen, raw)
	if err != nil {
		return Open{}, err
	}
	if err := settleTimes([]*time.Time{&r.Due}); err != nil {
		return Open{}, fmt.Errorf("%w: open entry of %s: %w", ErrRecord, r.Key.ID, err)
	}
	if err := r.Key.Validate(); err != nil {
		return Open{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return Open(r), nil
}

// EncodeReference writes the value of an entry of the reference index: the
// operation that the reference belongs to.
func EncodeReference(k payment.OperationKey) ([]byte, error) {
	if err := k.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return record(kindReference, func(w *writer) { w.reference(k) })
}

// DecodeReference reads what EncodeReference wrote. Errors: ErrSchema, ErrRecord.
func DecodeReference(raw []byte) (payment.OperationKey, error) {
	k, err := decode[payment.OperationKey](kindReference, raw)
	if err != nil {
		return payment.OperationKey{}, err
	}
	if err := k.Validate(); err != nil {
		return payment.OperationKey{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return k, nil
}

// header is how each record begins; what the body is, the kind says.
type header struct {
	Schema int             `json:"schema"`
	Kind   string          `json:"kind"`
	Body   json.RawMessage `json:"body"`
}

// envelope writes what header reads, around a body that is encoded by reflection.
type envelope struct {
	Schema int    `json:"schema"`
	Kind   string `json:"kind"`
	Body   any    `json:"body"`
}

func encode(kind string, body any) ([]byte, error) {
	raw, err := json.Marshal(envelope{Schema: schema, Kind: kind, Body: body})
	if err != nil {
		return nil, fmt.Errorf("%w: encoding %s: %w", ErrRecord, kind, err)
	}
	return raw, nil
}

func decode[T any](kind string, raw []byte) (T, error) {
	if body, ok := decodeWritten[T](kind, raw); ok {
		return body, nil
	}
	var none T
	var h header
	// The header is read leniently: a newer version may say more in it, and is to
	// be refused for its version, not for that.
	if err := json.Unmarshal(raw, &h); err != nil {
		return none, fmt.Errorf("%w: %s: %w", ErrRecord, kind, err)
	}
	if h.Schema != schema {
		return none, fmt.Errorf("%w: %s written in version %d, this build reads %d", ErrSchema, kind, h.Schema, schema)
	}
	if h.Kind != kind {
		return none, fmt.Errorf("%w: found kind %q where %q belongs", ErrRecord, h.Kind, kind)
	}
	body, _, err := decodeBody[T](h.Body)
	if err != nil {
		return none, fmt.Errorf("%w: %s: %w", ErrRecord, kind, err)
	}
	return body, nil
}

// decodeWritten reads a record whose header is spelled as this build spells it, which
// is nearly each, without going over its body twice more to find where that ends. What
// it does not read, decode says why.
func decodeWritten[T any](kind string, raw []byte) (body T, ok bool) {
	rest, ok := bytes.CutPrefix(raw, fmt.Appendf(nil, `{"schema":%d,"kind":"%s","body":`, schema, kind))
	if !ok {
		return body, false
	}
	body, end, err := decodeBody[T](rest)
	return body, err == nil && string(rest[end:]) == "}"
}

// decodeBody reads the value that raw begins with, and tells where it ends. A field
// that the type does not have is an error.
func decodeBody[T any](raw []byte) (body T, end int64, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(&body)
	return body, d.InputOffset(), err
}

// checkOperation refuses what no claim can have written and what the state
// machine could not go on from.
func checkOperation(op payment.Operation) error {
	if err := op.Key.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	switch op.State {
	case payment.StateIntent, payment.StateUnknown, payment.StateFencing, payment.StatePending,
		payment.StateRequiresAction, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed:
	default:
		return fmt.Errorf("%w: operation %s in state %q", ErrRecord, op.Key.ID, op.State)
	}
	if op.Epoch < 1 || op.Nonce == "" || len(op.Attempts) == 0 {
		return fmt.Errorf("%w: operation %s was never claimed", ErrRecord, op.Key.ID)
	}
	if op.Held < 0 {
		return fmt.Errorf("%w: operation %s holds %d", ErrRecord, op.Key.ID, op.Held)
	}
	return nil
}

func checkPayment(p payment.Payment) error {
	if p.ID == "" || p.Tenant == "" {
		return fmt.Errorf("%w: payment %q of tenant %q", ErrRecord, p.ID, p.Tenant)
	}
	// Whatever happened, less than nothing was not moved: such a record comes of a
	// reservation that was given back twice.
	lowest := min(p.Authorized, p.Captured, p.Refunded, p.Released, p.CaptureReserved, p.RefundReserved, p.ExcessCaptured, p.ExcessRefunded)
	for _, o := range p.Outside {
		lowest = min(lowest, o.Amount)
	}
	if lowest < 0 {
		return fmt.Errorf("%w: payment %s with an amount of %d", ErrRecord, p.ID, lowest)
	}
	switch p.Status {
	case payment.StatusAuthorizing, payment.StatusRequiresAction, payment.StatusPending, payment.StatusAuthorized,
		payment.StatusPartiallyCaptured, payment.StatusCaptured, payment.StatusPartiallyRefunded, payment.StatusRefunded,
		payment.StatusVoided, payment.StatusExpired, payment.StatusDeclined, payment.StatusFailed, payment.StatusUnknown:
		return nil
	}
	return fmt.Errorf("%w: payment %s in status %q", ErrRecord, p.ID, p.Status)
}

// operationTimes lists every time of an operation, to be changed in place.
func operationTimes(op *payment.Operation) []*time.Time {
	all := []*time.Time{&op.OwnerUntil, &op.Created, &op.Deadline, &op.ResolveBy, &op.NextCheck, &op.Completed}
	for i := range op.Attempts {
		a := &op.Attempts[i]
		all = append(all, &a.Created, &a.Deadline, &a.ResendNotAfter, &a.Closed)
	}
	return all
}

// paymentTimes lists every time of a payment, to be changed in place.
func paymentTimes(p *payment.Payment) []*time.Time {
	all := []*time.Time{&p.ExpireTime, &p.Created, &p.Updated}
	for i := range p.Outside {
		all = append(all, &p.Outside[i].Time)
	}
	return all
}

// settleTimes makes times what is stored of them: an instant in UTC, without
// the monotonic reading of the process that took it.
func settleTimes(all []*time.Time) error {
	for _, t := range all {
		*t = t.UTC().Round(0)
		if y := t.Year(); y < 1 || y > 9999 {
			return fmt.Errorf("a time in year %d", y)
		}
	}
	return nil
}

// cloneAttempts keeps an encoding from altering its caller's record.
func cloneAttempts(op payment.Operation) payment.Operation {
	op.Attempts = slices.Clone(op.Attempts)
	return op
}
