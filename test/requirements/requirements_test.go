// Package requirements holds the tests to the documents that acquit was built after:
// what those ask for is in requirements.csv, statement by statement, and each statement
// is either shown by a test that says so in its comment ("Shows R1, R12 and R15."), or
// the file says why it does not apply.
//
// It checks that somebody claims to show a requirement, not that the claim is true: for
// that the tests are there to be read, and REQUIREMENTS.md leads to them.
package requirements

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	table  = "requirements.csv"
	golden = "REQUIREMENTS.md"
)

var update = flag.Bool("update", false, "rewrite "+golden)

// requirement is one thing that a document asks for.
type requirement struct {
	number    int
	source    string // of documents
	statement string // in our own words
	reason    string // why it does not apply, or is not shown; "" if it is shown
}

// document is what requirements come from.
type document struct{ source, title string }

func documents() []document {
	return []document{
		{"000", "Amazon Pay: Handling errors from Amazon Pay API calls"},
		{"001", "Adyen: API idempotency"},
		{"002", "Selwise: Errors and retries"},
		{"003", "Stripe API discussion: Retrying idempotent requests and error responses"},
		{"004", "TrueLayer: Add idempotency to your payments requests"},
	}
}

// Goal: everything that Amazon's page on errors asks for is shown. Method: each
// statement has a test that names it, or a reason.
func TestSource000HandlingErrorsFromAmazonPay(t *testing.T) { shows(t, "000") }

// Goal: everything that Adyen's page on idempotency asks for is shown. Method: as above.
func TestSource001APIIdempotency(t *testing.T) { shows(t, "001") }

// Goal: everything that Selwise's page on errors and retries asks for is shown. Method:
// as above; what it says of e-mail is shown of payments.
func TestSource002ErrorsAndRetries(t *testing.T) { shows(t, "002") }

// Goal: everything that Stripe's people and users say about errors is shown. Method: as
// above; where the thread is older than Stripe's rules of today, the rules count.
func TestSource003RetryingIdempotentRequests(t *testing.T) { shows(t, "003") }

// Goal: everything that TrueLayer's page on idempotency asks for is shown. Method: as above.
func TestSource004AddIdempotencyToPaymentsRequests(t *testing.T) { shows(t, "004") }

func shows(t *testing.T, source string) {
	t.Helper()
	asked, found := load(t), claims(t)
	for _, r := range asked {
		if r.source != source {
			continue
		}
		t.Run(fmt.Sprintf("R%d", r.number), func(t *testing.T) {
			if err := wrong(r, found); err != nil {
				t.Errorf("%q: %v", r.statement, err)
			}
		})
	}
}

// wrong is what is wrong with a requirement, given what tests claim.
func wrong(r requirement, found []claim) error {
	shown := slices.ContainsFunc(found, func(c claim) bool { return c.number == r.number })
	switch {
	case shown && r.reason != "":
		return errors.New("a test shows it, and a reason says that it does not apply")
	case !shown && r.reason == "":
		return errors.New("no test names it, and no reason is given")
	}
	return nil
}

// Goal: no test names a requirement that there is not. Method: all claims of the tree.
func TestClaimsAreKnown(t *testing.T) {
	asked, found := load(t), claims(t)
	if len(found) < len(asked)/2 {
		t.Fatalf("only %d claims were found: they are not looked for where they are", len(found))
	}
	for _, c := range found {
		if err := unknown(c, asked); err != nil {
			t.Error(err)
		}
	}
}

func unknown(c claim, asked []requirement) error {
	if c.number < 1 || c.number > len(asked) {
		return fmt.Errorf("%s: %s shows R%d, which is not in %s", c.file, c.test, c.number, table)
	}
	return nil
}

// Goal: the list that people read is the one that holds. Method: it is written anew
// and compared; -update keeps it.
func TestListIsCurrent(t *testing.T) {
	want := list(load(t), claims(t))
	if *update {
		if err := os.WriteFile(golden, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale, go test ./test/requirements -update (-want +got):\n%s", golden, diff)
	}
}

// list is all requirements by document, each with links to what shows it.
func list(asked []requirement, found []claim) []byte {
	var out bytes.Buffer
	out.WriteString("# What is asked for, and what shows it\n\nWritten by `go test ./test/requirements -update` from [" + table + "](" + table +
		") and from the comments of the tests.\nWhat a test in providers/providertest shows, it shows of every driver.\n")
	for _, d := range documents() {
		fmt.Fprintf(&out, "\n## %s. %s\n\n| | asked for | shown by |\n|---|---|---|\n", d.source, d.title)
		for _, r := range asked {
			if r.source == d.source {
				fmt.Fprintf(&out, "| R%d | %s | %s |\n", r.number, r.statement, shownBy(r, found))
			}
		}
	}
	return out.Bytes()
}

func shownBy(r requirement, found []claim) string {
	if r.reason != "" {
		return "*" + r.reason + "*"
	}
	var links []string
	for _, c := range found {
		if c.number == r.number {
			links = append(links, fmt.Sprintf("[%s](%s/%s)", c.test, root, c.file))
		}
	}
	return strings.Join(links, ", ")
}

func load(t *testing.T) []requirement {
	t.Helper()
	raw, err := os.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	asked, err := read(raw)
	if err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	return asked
}

// read reads the requirements, which are numbered from R1 without a gap.
func read(from io.Reader) ([]requirement, error) {
	rows, err := csv.NewReader(from).ReadAll()
	if err != nil {
		return nil, err
	}
	if want := []string{"id", "source", "statement", "not_applicable"}; len(rows) == 0 || !slices.Equal(rows[0], want) {
		return nil, fmt.Errorf("the first line is not %q", want)
	}
	var asked []requirement
	for i, row := range rows[1:] {
		r := requirement{i + 1, row[1], row[2], row[3]}
		if id := fmt.Sprintf("R%d", r.number); row[0] != id {
			return nil, fmt.Errorf("%s stands where %s should", row[0], id)
		}
		known := slices.ContainsFunc(documents(), func(d document) bool { return d.source == r.source })
		if !known || r.statement == "" || strings.ContainsAny(r.statement+r.reason, "|\n") {
			return nil, fmt.Errorf("R%d: source %q or statement %q is not in order", r.number, r.source, r.statement)
		}
		asked = append(asked, r)
	}
	return asked, nil
}
