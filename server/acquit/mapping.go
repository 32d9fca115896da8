package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/orchestrator/mapping"
)

func newMapping(t terminal) *cobra.Command {
	var driver string
	shape := newFormat("text", "markdown", "json")
	cmd := command(cobra.Command{
		Use: "mapping", Short: "Show what providers' answers prove", Args: cobra.NoArgs,
		Long: `Mapping prints the status-mapping table: for each answer of a provider what it
proves (evidence), whether the same bytes may be sent again under the same key
(resend) and whether another account may follow (failover). An answer that no row
names proves nothing: it is unknown. Every attempt of a payment names its row.`,
		Example: "  acquit mapping --driver sandbox\n  acquit mapping --format markdown",
	}, func(context.Context, *cobra.Command, []string) error {
		table, err := mapping.Load()
		if err != nil {
			return err
		}
		rows := table.Rows()
		if driver != "" {
			if rows = of(rows, driver); len(rows) == 0 {
				return usage("--driver: no rows for driver %s; there are %v", driver, drivers(table.Rows()))
			}
		}
		switch shape.value {
		case "json":
			out := json.NewEncoder(t.out)
			out.SetIndent("", "  ")
			if err := out.Encode(rows); err != nil {
				return fmt.Errorf("encode the table: %w", err)
			}
			return nil
		case "markdown":
			return mapping.WriteMarkdown(t.out, rows)
		}
		return mapping.WriteText(t.out, rows)
	})
	cmd.Flags().StringVar(&driver, "driver", "", "only rows of this `driver`, and those for every driver")
	cmd.Flags().Var(shape, "format", "text, markdown or json")
	return cmd
}

// of are the rows that can judge an answer of a driver; none if it is not known.
func of(rows []mapping.Row, driver string) []mapping.Row {
	if !slices.Contains(drivers(rows), driver) {
		return nil
	}
	return slices.DeleteFunc(rows, func(r mapping.Row) bool { return r.Driver != driver && r.Driver != mapping.Any })
}

// drivers are the names that rows are for.
func drivers(rows []mapping.Row) []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.Driver)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
