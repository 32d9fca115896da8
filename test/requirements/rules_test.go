package requirements

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Goal: every way in which a requirement can be neglected is found. Method: a
// requirement with and without a reason, named by a test and not.
func TestNeglectIsFound(t *testing.T) {
	named := []claim{{number: 7, file: "a_test.go", test: "TestA"}}
	for name, c := range map[string]struct {
		requirement requirement
		found       []claim
		fails       bool
	}{
		"shown":                    {requirement{number: 7}, named, false},
		"does not apply":           {requirement{number: 7, reason: "No mail is sent."}, nil, false},
		"neither":                  {requirement{number: 7}, nil, true},
		"only another is shown":    {requirement{number: 70}, named, true},
		"shown and does not apply": {requirement{number: 7, reason: "No mail is sent."}, named, true},
	} {
		if err := wrong(c.requirement, c.found); (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
	for number, fails := range map[int]bool{0: true, 1: false, 2: false, 3: true} {
		if err := unknown(claim{number: number}, make([]requirement, 2)); (err != nil) != fails {
			t.Errorf("R%d of two: %v", number, err)
		}
	}
}

// Goal: a claim is read where it counts, and refused where it would only look like
// one. Method: files of one function, with claims in and out of form.
func TestClaimsAreRead(t *testing.T) {
	const test, property = "a/a_test.go", "providers/providertest/a.go"
	for name, c := range map[string]struct {
		file, source string
		want         []claim // nil: refused
	}{
		"one":                      {test, "// Goal: x.\n//\n// Shows R5.\nfunc TestA(t *testing.T) {}", []claim{{5, test, "TestA"}}},
		"several":                  {test, "// Shows R1, R12 and R15.\nfunc FuzzA(f *testing.F) {}", []claim{{1, test, "FuzzA"}, {12, test, "FuzzA"}, {15, test, "FuzzA"}}},
		"a property":               {property, "// Shows R5.\nfunc holds(w *world) {}", []claim{{5, property, "holds"}}},
		"none":                     {test, "// It shows R5.\nfunc TestA(t *testing.T) {}", []claim{}},
		"two without and":          {test, "// Shows R1, R2.\nfunc TestA(t *testing.T) {}", nil},
		"a list of one word":       {test, "// Shows R1 R2 and R3.\nfunc TestA(t *testing.T) {}", nil},
		"without its end":          {test, "// Shows R1\nfunc TestA(t *testing.T) {}", nil},
		"twice":                    {test, "// Shows R1 and R1.\nfunc TestA(t *testing.T) {}", nil},
		"out of order":             {test, "// Shows R2 and R1.\nfunc TestA(t *testing.T) {}", nil},
		"no number":                {test, "// Shows Rx.\nfunc TestA(t *testing.T) {}", nil},
		"at a helper":              {test, "// Shows R1.\nfunc helper(t *testing.T) {}", nil},
		"within a test":            {test, "func TestA(t *testing.T) {\n// Shows R1.\n}", nil},
		"at code that is no test":  {"a/a.go", "// Shows R1.\nfunc TestA() {}", nil},
		"at a property's helper":   {property, "// Shows R1.\nfunc helper(s string) {}", nil},
		"at a method of the world": {property, "// Shows R1.\nfunc (w *world) helper(s *world) {}", nil},
	} {
		got, err := claimsOf(c.file, []byte("package a\n\n"+c.source+"\n"))
		if (err != nil) != (c.want == nil) {
			t.Errorf("%s: error %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, append([]claim{}, got...), cmp.AllowUnexported(claim{})); c.want != nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Goal: a table that is not in order is refused, so that nothing falls out of it.
// Method: a good one, changed in one respect.
func TestTableIsHeldToItsForm(t *testing.T) {
	const good = "id,source,statement,not_applicable\nR1,000,Once is once.,\nR2,004,Wait.,No.\n"
	if asked, err := read(strings.NewReader(good)); err != nil || len(asked) != 2 {
		t.Fatalf("%d requirements, error %v", len(asked), err)
	}
	for name, change := range map[string][2]string{
		"no heading":        {"id,source,statement,not_applicable\n", ""},
		"a gap":             {"R2,", "R3,"},
		"twice":             {"R2,", "R1,"},
		"unknown document":  {"004", "005"},
		"nothing asked for": {"Wait.", ""},
		"breaks the list":   {"Wait.", "a|b"},
		"a column short":    {"Wait.,No.", "Wait."},
	} {
		if _, err := read(strings.NewReader(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}
