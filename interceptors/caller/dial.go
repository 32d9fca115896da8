package caller

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// DialOptions are what a connection to acquit needs besides its credentials. Make
// one connection and share it; it is safe for concurrent use, and spreads its
// calls over every address that the target's name has ("dns:///acquit:7400").
func DialOptions(config Config) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(Unary(config)),
		grpc.WithDefaultServiceConfig(ServiceConfig()),
		grpc.WithDisableServiceConfig(), // of a name server: who can change a record must not change what is repeated
		// A server that is gone without a word is noticed in 40 s instead of the kernel's
		// quarter of an hour; acquit permits pings every 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}),
	}
}

// ServiceConfig is gRPC's service config, in JSON: round_robin over all addresses,
// and for reads, the stream included, up to four attempts on UNAVAILABLE. Keyed
// calls are not in it, as gRPC judges by the code alone and would multiply what
// Unary repeats. While more than a few calls fail, nothing is repeated by it.
func ServiceConfig() string {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	var reads []name
	for _, m := range methods(descriptorpb.MethodOptions_NO_SIDE_EFFECTS) {
		service, method, _ := strings.Cut(strings.TrimPrefix(m, "/"), "/")
		reads = append(reads, name{service, method})
	}
	names, err := json.Marshal(reads)
	if err != nil {
		return err.Error() // strings always marshal; if not, no connection is made with this
	}
	return fmt.Sprintf(`{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": %s,
		"retryPolicy": {
			"maxAttempts": 4, "initialBackoff": "0.2s", "maxBackoff": "5s", "backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}],
	"retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1}
}`, names)
}

// methods are the full names of acquit's methods of an idempotency level.
func methods(level descriptorpb.MethodOptions_IdempotencyLevel) []string {
	var found []string
	for _, file := range []protoreflect.FileDescriptor{acquitv1.File_acquit_v1_payment_service_proto, acquitv1.File_acquit_v1_operator_service_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				options, ok := m.Options().(*descriptorpb.MethodOptions)
				if ok && options.GetIdempotencyLevel() == level {
					found = append(found, fmt.Sprintf("/%s/%s", service.FullName(), m.Name()))
				}
			}
		}
	}
	return found
}
