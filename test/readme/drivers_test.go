package readme

import (
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/providers/registry"
)

// fewLines is what a driver should need, without its rows and its tests.
const fewLines = 350

// Goal: the README says how much code each driver is, also where it is more than it
// should be. Method: the lines of each package, without blanks, comments and tests,
// between the README's marks; -update writes them.
func TestDriverTableIsCurrent(t *testing.T) {
	var out strings.Builder
	out.WriteString("| driver | lines of code | |\n|---|---|---|\n")
	for _, driver := range registry.Drivers() {
		lines, remark := codeLines(t, filepath.Join(root, "providers", driver)), ""
		if lines > fewLines {
			remark = fmt.Sprintf("%d above the %d that a driver should need", lines-fewLines, fewLines)
		}
		fmt.Fprintf(&out, "| [%s](providers/%s) | %d | %s |\n", driver, driver, lines, remark)
	}
	isCurrent(t, "drivers", out.String())
}

// codeLines counts the lines of code of a package.
func codeLines(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no code in %s: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += linesOf(source)
	}
	return n
}

// linesOf counts the lines on which there is more than a comment.
func linesOf(source []byte) int {
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0) // comments are left out
	lines := make(map[int]bool)
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if kind == token.SEMICOLON && text == "\n" {
			continue // the end of a line, written by the scanner
		}
		first := file.Line(at)
		for i := range strings.Count(text, "\n") + 1 { // a raw string has lines of its own
			lines[first+i] = true
		}
	}
}

// Goal: only code counts. Method: a source in which each kind of line is known.
func TestOnlyCodeIsCounted(t *testing.T) {
	const source = "// Package a is.\npackage a\n\n/* a\ncomment */\nvar x = 1 // and more\n\nconst text = `one\n\nthree`\n"
	if got := linesOf([]byte(source)); got != 5 {
		t.Errorf("%d lines, want 5", got)
	}
}
