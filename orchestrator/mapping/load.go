package mapping

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

//go:embed *.csv
var files embed.FS

// columns are the header of every file, in this order.
const columns = "id,operation,code,decline,http,transport,evidence,category,canonical,shopper,resend,failover,alert,source"

// Load reads the table that is built into the binary and checks it whole. Its
// error names the file and line of everything that is wrong.
func Load() (*Table, error) { return load(files) }

// load reads every CSV file of a directory.
func load(fsys fs.FS) (*Table, error) {
	names, err := fs.Glob(fsys, "*.csv")
	if err != nil {
		return nil, fmt.Errorf("mapping table: %w", err)
	}
	slices.SortFunc(names, func(a, b string) int {
		if x, y := a == Any+".csv", b == Any+".csv"; x != y {
			if x {
				return 1 // the rows for every driver come last, as on the ladder
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	t, problems := &Table{index: map[match]int{}, ids: map[string]int{}}, []error(nil)
	for _, name := range names {
		rows, errs := readFile(fsys, name)
		problems = append(problems, errs...)
		for _, r := range rows {
			problems = append(problems, t.add(r)...)
		}
	}
	if len(problems) == 0 {
		problems = t.check()
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("mapping table: %w", errors.Join(problems...))
	}
	return t, nil
}

// add appends a row unless another has its id or matches the same answers.
func (t *Table) add(r Row) []error {
	var errs []error
	if i, taken := t.ids[r.ID]; taken {
		errs = append(errs, r.problem("id %q is also on %s", r.ID, t.rows[i].at()))
	}
	if i, taken := t.index[r.match()]; taken {
		errs = append(errs, r.problem("matches the same answers as %s on %s", t.rows[i].ID, t.rows[i].at()))
	}
	if len(errs) > 0 {
		return errs
	}
	t.ids[r.ID], t.index[r.match()] = len(t.rows), len(t.rows)
	t.rows = append(t.rows, r)
	return nil
}

// readFile reads the rows of one file. A row that has a problem is left out.
func readFile(fsys fs.FS, name string) ([]Row, []error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, []error{err}
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.Comment, in.FieldsPerRecord = '#', len(strings.Split(columns, ","))
	header, err := in.Read()
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", name, err)}
	}
	if got := strings.Join(header, ","); got != columns {
		return nil, []error{fmt.Errorf("%s:1: the columns are %s, want %s", name, got, columns)}
	}
	var rows []Row
	var problems []error
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, problems
		}
		if err != nil { // malformed CSV: what follows cannot be trusted
			return rows, append(problems, fmt.Errorf("%s: %w", name, err))
		}
		line, _ := in.FieldPos(0)
		r, errs := parseRow(name, line, cells)
		if len(errs) == 0 {
			errs = r.check()
		}
		if len(errs) > 0 {
			problems = append(problems, errs...)
			continue
		}
		rows = append(rows, r)
	}
}

// parseRow reads the cells of a row; the values of each cell are checked, not
// yet whether they make sense together.
func parseRow(file string, line int, cells []string) (Row, []error) {
	r := Row{
		ID: cells[0], Driver: strings.TrimSuffix(path.Base(file), ".csv"), Operation: payment.Method(cells[1]),
		Code: cells[2], Decline: cells[3], HTTP: cells[4], Transport: payment.Transport(cells[5]),
		Evidence: payment.Evidence(cells[6]), Category: payment.Category(cells[7]), Canonical: cells[8], Shopper: cells[9],
		Resend: payment.Resend(cells[10]), Failover: cells[11] == "yes", Alert: cells[12] == "yes", Source: cells[13],
		file: file, line: line,
	}
	var errs []error
	names := strings.Split(columns, ",")
	for i, c := range cells {
		if strings.TrimSpace(c) != c {
			errs = append(errs, r.problem("%s: space around %q", names[i], c))
		}
	}
	refuse := func(known bool, column int) {
		if !known {
			errs = append(errs, r.problem("%s: %q is not known", names[column], cells[column]))
		}
	}
	refuse(r.Operation == Any || slices.Contains(operations(), r.Operation), 1)
	refuse(r.HTTP == "" || validHTTP(r.HTTP), 4)
	refuse(r.Transport == "" || slices.Contains(transports(), r.Transport), 5)
	refuse(slices.Contains(evidences(), r.Evidence), 6)
	refuse(slices.Contains(categories(), r.Category), 7)
	refuse(r.Canonical == "" || isName(r.Canonical), 8)
	refuse(r.Shopper == "" || isName(r.Shopper), 9)
	refuse(slices.Contains(resends(), r.Resend), 10)
	refuse(cells[11] == "yes" || cells[11] == "no", 11)
	refuse(cells[12] == "yes" || cells[12] == "no", 12)
	return r, errs
}

// isName reports whether s is a lower-case word as callers may rely on it.
func isName(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// at is where the row stands.
func (r Row) at() string { return fmt.Sprintf("%s:%d", r.file, r.line) }

// problem is an error about the row that says where it stands.
func (r Row) problem(format string, args ...any) error {
	return fmt.Errorf("%s: %s", r.at(), fmt.Sprintf(format, args...))
}
