package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// TestMain lets the test binary play the roles that a benchmark starts itself in.
func TestMain(m *testing.M) {
	if _, ok := roleOf(os.Args[1:]); ok {
		os.Exit(start(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// bounded ends with the test, or after what no test here should take.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Goal: the benchmark measures what it says, checks the promise, and leaves
// nothing behind. Method: a whole run with tiny numbers at both places.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	o := options{
		duration: minDuration, callers: []int{4}, rates: []int{100}, workloads: []workload{mixed()},
		places: []string{placeEmbedded, placeProcess}, ops: 3 * memoryPoints,
		memProfile: dir + "/mem",
	}
	r, err := run(bounded(t), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.compared) != 4 || len(r.memory) != 3 {
		t.Fatalf("%d cells and %d memory runs, want 4 and 3", len(r.compared), len(r.memory))
	}
	for _, c := range r.compared {
		for name, f := range map[string]figures{roleFloor: c.floor, roleAcquit: c.acquit} {
			if f.ops == 0 || f.failed != 0 || f.p50 <= 0 || f.p99 < f.p50 || f.rate() <= 0 {
				t.Errorf("%s, %s, %s: %+v", c.place, c.cell, name, f)
			}
			if math.Round(f.proposals) != wantProposals {
				t.Errorf("%s, %s, %s: %.2f proposals for a call, want %.0f", c.place, c.cell, name, f.proposals, wantProposals)
			}
		}
	}
	for _, m := range r.memory {
		if len(m.points) != memoryPoints+1 || slices.Min(m.points) < 1<<20 {
			t.Errorf("%s, %s: memory %v", m.place, m.name, m.points)
		}
	}
	if r.effects == 0 || r.again == 0 {
		t.Errorf("the promise was checked with %d effects and %d calls", r.effects, r.again)
	}
	var out strings.Builder
	r.write(&out)
	for _, want := range []string{"| embedded | mix, callers 4 |", "| process | mix, 100/s |", "| process | acquit |", "none twice"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "mem" {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Goal: the floor writes what the ledger writes, no more and no less. Method: the
// recorded transactions against the protocol's, and the keys that the floor makes
// of them.
func TestRecord(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := newSide(bounded(t), t.TempDir()+"/a", placeEmbedded, roleAcquit, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	writes, err := record(bounded(t), s)
	if err != nil {
		t.Fatal(err)
	}
	type shape struct{ Claim, Outcome []string }
	got := make(map[payment.Method]shape)
	for method, w := range writes {
		got[method] = shape{kinds(w.Claim), kinds(w.Outcome)}
	}
	outcome := []string{"del inflight", "del open", "put op", "put payment", "put ref"}
	order := shape{[]string{"put inflight leased", "put op", "put open", "put payment", "put ref"}, outcome}
	want := map[payment.Method]shape{ //nolint:exhaustive // the others are not measured
		payment.MethodAuthorize: {[]string{"put inflight leased", "put mref", "put op", "put open", "put payment", "put ref"}, outcome},
		payment.MethodCapture:   order, payment.MethodRefund: order,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded transactions (-want +got):\n%s", diff)
	}
	checkNaming(t, writes[payment.MethodAuthorize])
}

// kinds are what a transaction does, in order of their names.
func kinds(tx transaction) []string {
	kind := func(key string) string { return strings.Split(strings.TrimPrefix(key, ledgerPrefix+"/"), "/")[0] }
	var all []string
	for _, p := range tx.Puts {
		what := "put " + kind(p.Key)
		if p.Leased {
			what += " leased"
		}
		all = append(all, what)
	}
	for _, key := range tx.Deletes {
		all = append(all, "del "+kind(key))
	}
	slices.Sort(all)
	return all
}

// checkNaming looks at the keys of two further operations.
func checkNaming(t *testing.T, w operationWrites) {
	t.Helper()
	n := newNaming(w)
	one, err := n.fresh("")
	if err != nil {
		t.Fatal(err)
	}
	other, err := n.fresh("")
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`[0-9a-f]{32}$`)
	var ofOperation []string
	for _, p := range w.Claim.Puts {
		key := one.key(p.Key)
		if len(key) != len(p.Key) || key == p.Key || key == other.key(p.Key) {
			t.Errorf("%s was made of %s, and then %s", key, p.Key, other.key(p.Key))
		}
		if strings.Contains(key, "/op/") || strings.Contains(key, "/inflight/") || strings.Contains(key, "/open/") {
			ofOperation = append(ofOperation, hash.FindString(key))
		}
	}
	if len(ofOperation) != 3 || ofOperation[0] == "" || len(slices.Compact(ofOperation)) != 1 {
		t.Errorf("operation, marker and open entry are not of one name: %q", ofOperation)
	}
}

// Goal: what was mistyped is refused, and not measured as something else.
// Method: bad flags, and good ones.
func TestFlags(t *testing.T) {
	for _, bad := range [][]string{
		{"-callers", "0"},
		{"-callers", "1,x"},
		{"-callers", "99999"},
		{"-rates", "-1"},
		{"-workload", "refund"},
		{"-etcd", "none"},
		{"-ops", "-1"},
		{"-duration", "1ms"},
		{"-duration", "1h"},
		{"more"},
		{"-callers", "", "-rates", "", "-cpuprofile", "f"},
	} {
		if o, err := parse(bad, io.Discard); err == nil || errors.Is(err, errBroken) {
			t.Errorf("%q: %+v, %v", bad, o, err)
		}
	}
	o, err := parse([]string{"-callers", "64", "-rates", "", "-workload", "mix", "-etcd", "process"}, io.Discard)
	if err != nil || len(o.cells()) != 1 || o.cells()[0].String() != "mix, callers 64" || !slices.Equal(o.places, []string{placeProcess}) {
		t.Errorf("%+v, %v", o, err)
	}
}
