package interceptors

import (
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// method is what the contract says about one rpc.
type method struct {
	keyed bool                     // its idempotency level is IDEMPOTENT: it needs a key
	verb  payment.Method           // of a keyed method; "" if the vocabulary has none, which refuses the call
	reply protoreflect.MessageType // what it answers with
}

// methods finds what the contract says about an rpc by its full gRPC name. The
// zero value is ready; safe for concurrent use. It holds one entry per method
// that was called, and only methods that are served are ever called.
type methods struct {
	found sync.Map // full name → method
}

func (m *methods) find(full string) method {
	if known, ok := m.found.Load(full); ok {
		if known, ok := known.(method); ok {
			return known
		}
	}
	found := describe(full)
	m.found.Store(full, found)
	return found
}

// describe reads the descriptor of an rpc. Services of other packages, such as
// health and reflection, are never keyed, and neither is what has no descriptor.
func describe(full string) method {
	service, name, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return method{}
	}
	s, ok := d.(protoreflect.ServiceDescriptor)
	if !ok || !ours(s) {
		return method{}
	}
	rpc := s.Methods().ByName(protoreflect.Name(name))
	if rpc == nil {
		return method{}
	}
	reply, err := protoregistry.GlobalTypes.FindMessageByName(rpc.Output().FullName())
	if err != nil {
		return method{}
	}
	found := method{reply: reply}
	if o, ok := rpc.Options().(*descriptorpb.MethodOptions); ok {
		found.keyed = o.GetIdempotencyLevel() == descriptorpb.MethodOptions_IDEMPOTENT
	}
	if found.keyed {
		found.verb = verb(name)
	}
	return found
}

// ours reports whether a descriptor is of acquit's own contract.
func ours(d protoreflect.Descriptor) bool {
	return d.ParentFile().Package() == acquitv1.File_acquit_v1_payment_service_proto.Package()
}

// verb is the vocabulary's word for a keyed rpc.
func verb(rpc string) payment.Method {
	switch rpc {
	case "Authorize":
		return payment.MethodAuthorize
	case "Capture":
		return payment.MethodCapture
	case "Refund":
		return payment.MethodRefund
	case "Void":
		return payment.MethodVoid
	case "CompleteAuthorization":
		return payment.MethodComplete
	}
	return ""
}
