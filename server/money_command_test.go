package server

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// authorized makes a payment of ten euro with the command and returns its id.
func authorized(t *testing.T, addr, token, key string, more ...string) string {
	t.Helper()
	stdout, stderr, code := command(t, nil, append([]string{
		"authorize", "--addr", addr, "--amount", "10.00", "--currency", "EUR", "--token", token, "--key", key,
	}, more...)...)
	if code != 0 {
		t.Fatalf("authorize: exit code %d: %s", code, stderr)
	}
	return strings.Fields(stdout)[1]
}

// TestMoneyCommands: what a person sees who captures, refunds and voids, step by
// step against a running server; each run is compared with a file in which ids and
// times are masked. The steps of a payment build on each other.
func TestMoneyCommands(t *testing.T) {
	r := start(t, func(c *Config) { c.Operation.AttemptTimeout = 2 * time.Second }) // what hangs, hangs no longer
	shirt := authorized(t, r.GRPC, "tok_ok", "shirt", "--merchant-reference", "shirt")
	shoes := authorized(t, r.GRPC, "tok_ok_capture_500_after_effect", "shoes")
	hat := authorized(t, r.GRPC, "tok_ok", "hat")
	coat := authorized(t, r.GRPC, "tok_ok_capture_fail", "coat")
	scarf := authorized(t, r.GRPC, "tok_ok_capture_timeout_always", "scarf")
	socks := authorized(t, r.GRPC, "tok_ok_refund_pending_3600s", "socks", "--capture", "automatic")
	boots := authorized(t, r.GRPC, "tok_requires_action", "boots")
	nobody := "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e"
	for _, c := range []struct {
		name string
		args []string
	}{
		{"capture", []string{"capture", shirt, "--amount", "4.00", "--key", "parcel-1"}},
		{"capture_replayed", []string{"capture", shirt, "--amount", "4.00", "--key", "parcel-1"}},
		{"capture_key_reused", []string{"capture", shirt, "--amount", "5.00", "--key", "parcel-1"}},
		{"capture_exceeds", []string{"capture", shirt, "--amount", "6.01", "--key", "parcel-2"}},
		{"capture_json", []string{"capture", shirt, "--amount", "1", "--key", "parcel-3", "-o", "json"}},
		{"capture_final", []string{"capture", shirt, "--amount", "2.00", "--final", "--key", "parcel-4"}},
		{"capture_nothing_left", []string{"capture", shirt, "--key", "parcel-5"}},
		{"capture_bad_amount", []string{"capture", shirt, "--amount", "4.001"}},
		{"capture_no_payment", []string{"capture", "--amount", "4.00"}},
		{"capture_not_found", []string{"capture", nobody, "--amount", "4.00"}},
		{"capture_not_found_whole", []string{"capture", nobody, "--key", "parcel-6"}},
		{"capture_not_reachable", []string{"capture", shirt, "--amount", "4.00", "--addr", "127.0.0.1:1"}},
		{"capture_whole", []string{"capture", shoes}},
		{"capture_failed", []string{"capture", coat, "--amount", "1.00", "--key", "coat"}},
		{"capture_empty_amount", []string{"capture", shirt, "--amount", ""}},
		{"capture_empty_key", []string{"capture", shirt, "--key", ""}},
		{"capture_unknown", []string{"capture", scarf, "--amount", "1.00", "--key", "scarf", "--timeout", "1s"}},
		{"refund", []string{"refund", shirt, "--amount", "2.50", "--reason", "return", "--key", "return-1"}},
		{"refund_exceeds", []string{"refund", shirt, "--amount", "4.51", "--key", "return-2"}},
		{"refund_rest", []string{"refund", shirt, "--key", "return-3"}},
		{"refund_rest_replayed", []string{"refund", shirt, "--key", "return-3"}},
		{"refund_nothing_left", []string{"refund", shirt, "--key", "return-4"}},
		{"refund_not_captured", []string{"refund", hat, "--key", "return-5"}},
		{"refund_bad_reason", []string{"refund", shirt, "--reason", "because"}},
		{"refund_padded_key", []string{"refund", shirt, "--key", " return-5"}},
		{"refund_pending", []string{"refund", socks, "--amount", "3.00", "--reason", "customer_request", "--key", "return-6"}},
		{"void_captured", []string{"void", shirt, "--key", "void-1"}},
		{"void_foreign_key", []string{"void", hat, "--key", "ä"}},
		{"void", []string{"void", hat, "--key", "void-2"}},
		{"void_again", []string{"void", hat, "--key", "void-3"}},
		{"void_not_reachable", []string{"void", hat, "--addr", "127.0.0.1:1"}},
		{"capture_voided", []string{"capture", hat, "--key", "parcel-7"}},
		{"complete_not_back", []string{"complete", boots, "--key", "back-1"}},
		{"complete", []string{"complete", boots, "--param", "result=approve", "--key", "back-2"}},
		{"complete_replayed", []string{"complete", boots, "--param", "result=approve", "--key", "back-2"}},
		{"complete_again", []string{"complete", boots, "--key", "back-3"}},
		{"complete_bad_param", []string{"complete", boots, "--param", "result"}},
		{"complete_param_twice", []string{"complete", boots, "--param", "a=1", "--param", "a=2"}},
		{"get_refunded", []string{"get", shirt}},
		{"get_refunded_timeline", []string{"get", shirt, "--timeline"}},
		{"get_voided_timeline", []string{"get", hat, "--timeline"}},
		{"get_reserved", []string{"get", socks}},
		{"get_by_key", []string{"get", "--method", "capture", "--key", "parcel-1"}},
		{"get_by_key_timeline", []string{"get", "--method", "refund", "--key", "return-1", "--timeline"}},
		{"get_by_key_not_found", []string{"get", "--method", "void", "--key", "parcel-1"}},
		{"get_by_reference_not_found", []string{"get", "--reference", "AAAAAAAAAAAAAAAAAAAAAAAA"}},
		{"get_nothing", []string{"get"}},
		{"get_key_without_method", []string{"get", "--key", "parcel-1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !slices.Contains(c.args, "--addr") {
				c.args = append(c.args, "--addr", r.GRPC)
			}
			goldenCommand(t, c.name, c.args...)
		})
	}
	t.Run("one operation by all its names", func(t *testing.T) { sameOperation(t, r.GRPC) })
}

// sameOperation: the three names of an operation lead to one answer.
func sameOperation(t *testing.T, addr string) {
	t.Helper()
	byKey, _, _ := command(t, nil, "get", "--method", "capture", "--key", "parcel-1", "--addr", addr, "-o", "json")
	for pattern, flags := range map[string][]string{
		`"operation_id": "(\w+)"`: nil, `"reference_id": "(\w+)"`: {"--reference"}, `"provider_reference": "(capture_\w+)"`: {"--reference"},
	} {
		name := regexp.MustCompile(pattern).FindStringSubmatch(byKey)
		if name == nil {
			t.Fatalf("no %s in %s", pattern, byKey)
		}
		stdout, stderr, code := command(t, nil, append(append([]string{"get", "--addr", addr, "-o", "json"}, flags...), name[1])...)
		if stdout != byKey || code != 0 {
			t.Errorf("%s: exit code %d, %s\n%s\nwant:\n%s", name[1], code, stderr, stdout, byKey)
		}
	}
}

// TestListCommand: payments, the newest first, page by page, by each condition,
// with mistakes in each flag.
func TestListCommand(t *testing.T) {
	r := start(t, nil)
	t.Run("list_none", func(t *testing.T) { goldenCommand(t, "list_none", "list", "--addr", r.GRPC) })
	authorized(t, r.GRPC, "tok_ok", "order-1", "--merchant-reference", "first order")
	second := authorized(t, r.GRPC, "tok_ok", "order-2")
	authorized(t, r.GRPC, "tok_pending", "order-3", "--merchant-reference", "third")
	if _, stderr, code := command(t, nil, "capture", second, "--amount", "2.50", "--addr", r.GRPC); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for name, args := range map[string][]string{
		"list":                      nil,
		"list_json":                 {"--merchant-reference", "first order", "-o", "json"},
		"list_by_merchant":          {"--merchant-reference", "third"},
		"list_by_status":            {"--status", "authorized,partially_captured"},
		"list_recent":               {"--since", "1h"},
		"list_old":                  {"--until", "2026-01-31"},
		"list_bad_status":           {"--status", "paid"},
		"list_bad_time":             {"--since", "yesterday"},
		"list_reversed_times":       {"--since", "2026-01-31", "--until", "2026-01-30T23:59:59Z"},
		"list_bad_limit":            {"--limit", "0"},
		"list_large_limit":          {"--limit", "501"},
		"list_bad_page":             {"--page", "nonsense"},
		"list_page_of_another_list": {"--limit", "1", "--status", "pending", "--page", pageAfter(t, r.GRPC, "--limit", "1")},
	} {
		t.Run(name, func(t *testing.T) { goldenCommand(t, name, append([]string{"list", "--addr", r.GRPC}, args...)...) })
	}
	t.Run("page by page", func(t *testing.T) { walk(t, r.GRPC) })
}

// more finds how the next page is asked for.
func more(stdout string) []string {
	_, flags, _ := strings.Cut(stdout, "more with ")
	return strings.Fields(flags)
}

// pageAfter is the token of the page that follows a list.
func pageAfter(t *testing.T, addr string, args ...string) string {
	t.Helper()
	stdout, stderr, code := command(t, nil, append([]string{"list", "--addr", addr}, args...)...)
	flags := more(stdout)
	if code != 0 || len(flags) != 2 {
		t.Fatalf("exit code %d, no next page in %q: %s", code, stdout, stderr)
	}
	return flags[1]
}

// walk reads all pages as a person would: by the flags that the one before names.
// An age means another time with every command; the walk holds on to the first.
func walk(t *testing.T, addr string) {
	t.Helper()
	whole, _, _ := command(t, nil, "list", "--addr", addr)
	var walked strings.Builder
	next := []string{"--since", "1h"}
	for pages := 1; len(next) > 0; pages++ {
		stdout, stderr, code := command(t, nil, append([]string{"list", "--addr", addr, "--limit", "1"}, next...)...)
		if code != 0 || pages > 4 {
			t.Fatalf("page %d: exit code %d: %s", pages, code, stderr)
		}
		line, _, _ := strings.Cut(stdout, "more with ")
		walked.WriteString(strings.TrimPrefix(line, "no more payments\n"))
		next = more(stdout)
	}
	columns := regexp.MustCompile(` +`) // their width depends on the page
	if got, want := columns.ReplaceAllString(walked.String(), " "), columns.ReplaceAllString(whole, " "); got != want {
		t.Errorf("page by page:\n%s\nat once:\n%s", got, want)
	}
}
