package interceptors

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// contract checks in one walk what no rule on a field can say: that a request
// has no field this server does not know, that no text in it holds a card
// number, and that its currencies exist. It checks requests of acquit's own
// contract only; health and reflection are not its business.
//
// It reports where, never what: not even the name of a map's entry is repeated
// when that is what looks like a card number.
type contract struct {
	cards cardFinder
}

func newContract() *contract { return &contract{cards: newCardFinder()} }

func (c *contract) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := c.check(req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (c *contract) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(srv, &checkedStream{ServerStream: stream, check: c.check})
}

// checkedStream checks each message that it receives.
type checkedStream struct {
	grpc.ServerStream
	check func(any) error
}

// RecvMsg implements grpc.ServerStream.
func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.check(m)
}

func (c *contract) check(req any) error {
	m, ok := req.(proto.Message)
	if !ok {
		return fmt.Errorf("a request of type %T is no message", req)
	}
	if !ours(m.ProtoReflect().Descriptor()) {
		return nil
	}
	if f := c.message(m.ProtoReflect()); f != nil {
		return &payment.Error{Reason: f.reason, Message: f.message, Field: f.path}
	}
	return nil
}

// finding is what the walk found, and where: the path grows on the way back.
type finding struct {
	reason  payment.Reason
	message string
	path    string
}

// under puts an element before the path.
func (f *finding) under(element string) *finding {
	if f == nil {
		return nil
	}
	if f.path != "" && !strings.HasPrefix(f.path, "[") {
		element += "."
	}
	f.path = element + f.path
	return f
}

func (c *contract) message(m protoreflect.Message) *finding {
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		number, _, _ := protowire.ConsumeTag(unknown)
		return &finding{
			reason:  payment.ReasonUnknownFields,
			message: "the request has a field that this server does not know",
			path:    strconv.Itoa(int(number)),
		}
	}
	if money, ok := m.Interface().(*acquitv1.Money); ok {
		return currency(money)
	}
	for _, f := range setFields(m) {
		if found := c.field(f); found != nil {
			return found.under(string(f.Name()))
		}
	}
	return nil
}

// currency refuses a code that ISO 4217 does not list. One that is not even
// shaped like a code is left to the rules, which say what is wrong with it.
func currency(m *acquitv1.Money) *finding {
	code := m.GetCurrencyCode()
	if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return nil
	}
	if _, err := payment.Exponent(code); err != nil {
		return &finding{
			reason: payment.ReasonRequestInvalid, message: "ISO 4217 lists no such currency", path: "currency_code",
		}
	}
	return nil
}

func (c *contract) field(f setField) *finding {
	switch {
	case f.IsMap():
		return c.entries(f)
	case f.IsList():
		list := f.value.List()
		for i := range list.Len() {
			if found := c.value(f, list.Get(i)); found != nil {
				return found.under("[" + strconv.Itoa(i) + "]")
			}
		}
		return nil
	default:
		return c.value(f, f.value)
	}
}

func (c *contract) entries(f setField) *finding {
	entries := f.value.Map()
	for _, k := range sortedKeys(entries) {
		if found := c.value(f.MapKey(), k.Value()); found != nil {
			return found // without the key itself
		}
	}
	for _, k := range sortedKeys(entries) {
		if found := c.value(f.MapValue(), entries.Get(k)); found != nil {
			return found.under("[" + strconv.Quote(k.String()) + "]")
		}
	}
	return nil
}

// value looks into messages, and for card numbers into text and into the
// numbers of a provider's payload, where a card number may stand unquoted.
func (c *contract) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) *finding {
	var text string
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return c.message(v.Message())
	case protoreflect.StringKind:
		text = v.String()
	case protoreflect.BytesKind:
		text = string(v.Bytes())
	case protoreflect.DoubleKind:
		if f := v.Float(); f == math.Trunc(f) && math.Abs(f) < 1e20 {
			text = strconv.FormatFloat(math.Abs(f), 'f', 0, 64)
		}
	default:
		return nil
	}
	// A key is a name that the caller chose, stored and logged as a hash only.
	if fd.Name() == "idempotency_key" || !c.cards.in(text) {
		return nil
	}
	return &finding{reason: payment.ReasonCardDataRefused, message: "a text holds what looks like a card number; send tokens only"}
}
