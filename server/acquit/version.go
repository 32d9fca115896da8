package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/server"
)

func newVersion(t terminal) *cobra.Command {
	return command(cobra.Command{
		Use: "version", Short: "Print the version of this binary", Args: cobra.NoArgs,
	}, func(context.Context, *cobra.Command, []string) error {
		fmt.Fprintf(t.out, "acquit %s  revision %s  %s %s/%s\n", server.Version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	})
}

// revision is the source that the binary was built from.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	at, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			at = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	return at + dirty
}
