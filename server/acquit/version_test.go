package main

import (
	"runtime/debug"
	"testing"

	"github.com/acquitpay/acquit/server"
)

// TestBuiltFrom: a binary says what it was built from, or that this is not known.
// Stamps of the linker and records of the go command are read in every combination
// that occurs.
func TestBuiltFrom(t *testing.T) {
	recorded := &debug.BuildInfo{Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	for name, c := range map[string]struct {
		stamp string
		info  *debug.BuildInfo
		want  source
	}{
		"a release":                        {"v1.2.3 def 2026-02-03T04:05:06Z", recorded, source{"v1.2.3", "def", "2026-02-03T04:05:06Z"}},
		"a build in a changed repository":  {"", recorded, source{server.Version, "abc+changes", "2026-01-02T03:04:05Z"}},
		"a build outside of a repository":  {"", &debug.BuildInfo{}, source{server.Version, "unknown", "unknown"}},
		"a binary without any information": {"", nil, source{server.Version, "unknown", "unknown"}},
		"a stamp that is no release's":     {"v1.2.3", nil, source{server.Version, "unknown", "unknown"}},
	} {
		if got := builtFrom(c.stamp, c.info); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
