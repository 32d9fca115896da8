package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/server"
)

// version is written by the linker of a release: its version, the commit and the
// commit's date, with spaces between them. Two builds of a commit are the same.
var version string

func newVersion(t terminal) *cobra.Command {
	return command(cobra.Command{
		Use: "version", Short: "Print the version of this binary", Args: cobra.NoArgs,
	}, func(context.Context, *cobra.Command, []string) error {
		info, _ := debug.ReadBuildInfo()
		b := builtFrom(version, info)
		fmt.Fprintf(t.out, "acquit %s  revision %s  of %s  %s %s/%s\n", b.version, b.revision, b.date, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	})
}

// stamped is the version of a release, "" of any other build.
func stamped() string {
	of, _, _ := strings.Cut(version, " ")
	return of
}

// source is what a binary was built from.
type source struct{ version, revision, date string }

// builtFrom reads what a release was stamped with, and what it lacks from what the
// go command records where it finds a repository.
func builtFrom(stamp string, info *debug.BuildInfo) source {
	var b source
	if parts := strings.Fields(stamp); len(parts) == 3 {
		return source{version: parts[0], revision: parts[1], date: parts[2]}
	}
	dirty := ""
	if info != nil {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				b.revision = s.Value
			case s.Key == "vcs.time":
				b.date = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+changes"
			}
		}
	}
	return source{version: server.Version, revision: cmp.Or(b.revision, "unknown") + dirty, date: cmp.Or(b.date, "unknown")}
}
