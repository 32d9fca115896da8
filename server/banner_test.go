package server

import (
	"bytes"
	"testing"
	"time"
)

// TestBanner: what a person reads first, for the configurations that differ in
// what can go wrong. Each is compared with a file.
func TestBanner(t *testing.T) {
	standard := Addresses{GRPC: "127.0.0.1:7400", HTTP: "127.0.0.1:7401", Ops: "127.0.0.1:7402"}
	for name, change := range map[string]func(*banner){
		"default": func(*banner) {},
		"other_addresses": func(b *banner) {
			b.addrs.GRPC = "127.0.0.1:7500"
			b.config.Accounts[0].Name = "play"
		},
		"live": func(b *banner) {
			b.config.Accounts = []Account{{Name: "shop", Driver: "stripe", Environment: "live"}}
			b.config.TLS = TLS{Cert: "c", Key: "k", ClientCA: "a"}
			b.config.Telemetry.OTLPEndpoint = "collector:4317"
			b.addrs = Addresses{GRPC: "[::]:7400", HTTP: "[::]:7401", Ops: "127.0.0.1:7402"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := banner{version: "v0.1", config: Default(), addrs: standard, took: 412 * time.Millisecond}
			change(&b)
			var out bytes.Buffer
			b.write(&out)
			golden(t, "banner_"+name+".golden.txt", out.Bytes())
		})
	}
}
