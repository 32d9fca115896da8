package providertest

import (
	"encoding/csv"
	"os"
	"slices"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Codes are the lines of testdata/codes.csv, the codes that a provider documents, that
// are of a kind and so many: with fewer the file is read wrongly. The first column is
// the kind, the second the code.
func Codes(t *testing.T, kind string, n int) [][]string {
	t.Helper()
	f, err := os.Open("testdata/codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.Comment = '#'
	lines, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	lines = slices.DeleteFunc(lines, func(line []string) bool { return line[0] != kind })
	if len(lines) != n {
		t.Fatalf("%d of kind %s, want %d: the list is read wrongly", len(lines), kind, n)
	}
	return lines
}

// Table is the whole table.
func Table(t *testing.T) *mapping.Table {
	t.Helper()
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Rows are a driver's rows. It reads the whole table to find them.
func Rows(t *testing.T, driver string) []mapping.Row {
	t.Helper()
	return slices.DeleteFunc(Table(t).Rows(), func(r mapping.Row) bool { return r.Driver != driver })
}

// Row expects among rows that of an operation for a code and a decline code.
func Row(t *testing.T, rows []mapping.Row, m payment.Method, code, decline string) mapping.Row {
	t.Helper()
	i := slices.IndexFunc(rows, func(r mapping.Row) bool { return r.Operation == m && r.Code == code && r.Decline == decline })
	if i < 0 {
		t.Errorf("%s: code %s, decline code %q has no row", m, code, decline)
		return mapping.Row{}
	}
	return rows[i]
}
