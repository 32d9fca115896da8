package mapping

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes rows as a table of aligned columns, every cell shown; an
// empty cell is a dash.
func WriteText(w io.Writer, rows []Row) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range grid(rows) {
		if _, err := fmt.Fprintln(out, strings.Join(cells, "\t")); err != nil {
			return fmt.Errorf("write mapping table: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write mapping table: %w", err)
	}
	return nil
}

// WriteMarkdown writes rows as a Markdown table, every cell shown.
func WriteMarkdown(w io.Writer, rows []Row) error {
	for i, cells := range grid(rows) {
		for j := range cells {
			cells[j] = strings.ReplaceAll(cells[j], "|", `\|`)
		}
		line := "| " + strings.Join(cells, " | ") + " |\n"
		if i == 0 {
			line += strings.Repeat("|---", len(cells)) + "|\n"
		}
		if _, err := io.WriteString(w, line); err != nil {
			return fmt.Errorf("write mapping table: %w", err)
		}
	}
	return nil
}

// grid is the header and the cells of the rows, in the columns of the files.
func grid(rows []Row) [][]string {
	lines := [][]string{strings.Split(columns, ",")}
	for _, r := range rows {
		cells := []string{
			r.ID, string(r.Operation), r.Code, r.Decline, r.HTTP, string(r.Transport), string(r.Evidence), string(r.Category),
			r.Canonical, r.ShopperCode(), string(r.Resend), yesNo(r.Failover), yesNo(r.Alert), r.Source,
		}
		for i := range cells {
			cells[i] = cmp.Or(cells[i], "-")
		}
		lines = append(lines, cells)
	}
	return lines
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
