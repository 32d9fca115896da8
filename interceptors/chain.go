package interceptors

import (
	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
)

// Chain is the order, outermost first, that every unary call passes. Tracing
// stands before it, as otelgrpc's stats handler, so that all of it has a span.
func Chain(config Config) []grpc.UnaryServerInterceptor {
	p := newParts(config)
	return []grpc.UnaryServerInterceptor{
		p.log.unary(),           // outermost, so that it sees the very status the caller gets, whoever made it
		p.translate.unary,       // before whatever can fail, so that no error leaves without code and reason
		p.recover.unary(),       // before all our own work; its error is translated and logged like any other
		p.tenant.unary,          // who calls decides everything below; nothing is told to whom we do not know
		p.reference.unary,       // as early as the tenant allows, so that every later refusal carries the reference id
		p.contract.unary,        // unknown fields and card numbers, before a message could repeat their text
		p.protovalidate.unary(), // the rules of the contract; a request that breaks them costs no time and no key
		p.deadline.unary,        // after all that needs no time; what is left is measured when the work begins
		p.idempotency.intercept, // innermost: only a call that may execute takes part, and the handler is all it guards
	}
}

// StreamChain is the same for the stream that only reads, and for health and
// reflection. A stream carries no key, has no fixed end and executes nothing, so
// reference, deadline and idempotency have no part in it.
func StreamChain(config Config) []grpc.StreamServerInterceptor {
	p := newParts(config)
	return []grpc.StreamServerInterceptor{
		p.log.stream(),           // as above
		p.translate.stream,       // as above
		p.recover.stream(),       // as above
		p.tenant.stream,          // as above
		p.contract.stream,        // as above, on each message received
		p.protovalidate.stream(), // as above, on each message received
	}
}

// parts are the interceptors, ready to be put in order.
type parts struct {
	log           callLog
	translate     *translator
	recover       recoverer
	tenant        tenants
	reference     *references
	contract      *contract
	protovalidate rules
	deadline      deadlines
	idempotency   *idempotency
}

func newParts(config Config) parts {
	c := config.withDefaults()
	m, met := &methods{}, newMeters(c.Meter, c.Logger)
	return parts{
		log:           callLog{logger: c.Logger},
		translate:     &translator{methods: m, meters: met, retryAfter: c.RetryAfter},
		recover:       recoverer{logger: c.Logger, meters: met},
		tenant:        tenants{authenticate: c.Authenticate},
		reference:     &references{methods: m},
		contract:      newContract(),
		protovalidate: rules{validator: protovalidate.GlobalValidator},
		deadline:      deadlines{standard: c.DefaultDeadline, margin: c.DeadlineMargin, minimum: c.MinimumTime},
		idempotency:   newIdempotency(c, m, met),
	}
}
