package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Goal: whoever is woken at night can type what the runbooks say. Method: every line
// and every piece of code in them that begins with acquit is parsed by the command
// tree: the command, its flags and the number of its arguments; nothing is run.
func TestRunbookCommandsParse(t *testing.T) {
	files, err := filepath.Glob("../../deploy/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile("(?m)(?:^|`)acquit ([^`\n]+)").FindAllStringSubmatch(string(text), -1) {
			lines++
			if err := parse(strings.Fields(found[1])); err != nil {
				t.Errorf("%s: acquit %s: %v", filepath.Base(file), found[1], err)
			}
		}
	}
	if lines < 20 {
		t.Errorf("found only %d commands: the test reads the runbooks wrongly", lines)
	}
	for _, broken := range []string{"lst", "list --state unknown", "get A B", "config check"} {
		if parse(strings.Fields(broken)) == nil {
			t.Errorf("acquit %s is taken for a command", broken)
		}
	}
}

// parse does with a command line what cobra does before it runs it.
func parse(args []string) error {
	root := newRoot(terminal{out: io.Discard, err: io.Discard})
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
