package requirements

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// claim is that a test shows a requirement.
type claim struct {
	number int
	file   string // from the root, with slashes
	test   string
}

// form is the one in which a test says what it shows. It is strict, so that a claim is
// never overlooked for a slip of the pen.
const form = `^Shows R[1-9]\d*((, R[1-9]\d*)* and R[1-9]\d*)?\.$`

// claims collects what all tests of the tree say that they show.
func claims(t *testing.T) []claim {
	t.Helper()
	var all []claim
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "gen" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := claimsOf(filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator))), raw)
		all = append(all, found...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// claimsOf reads the claims of one file. A claim that no test stands behind, or that is
// not in the form, is an error: it would look as if something were shown.
func claimsOf(file string, source []byte) ([]claim, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	tests := make(map[*ast.CommentGroup]string)
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil && runs(file, f) {
			tests[f.Doc] = f.Name.Name
		}
	}
	var found []claim
	for _, group := range parsed.Comments {
		for line := range strings.Lines(group.Text()) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "Shows R") {
				continue
			}
			numbers, err := numbersIn(line)
			if tests[group] == "" {
				err = fmt.Errorf("%q stands at nothing that is run", line)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", set.Position(group.Pos()), err)
			}
			for _, n := range numbers {
				found = append(found, claim{n, file, tests[group]})
			}
		}
	}
	return found, nil
}

// runs reports whether a function is a test, a fuzz target, or a property that
// providertest holds every driver to.
func runs(file string, f *ast.FuncDecl) bool {
	if strings.HasSuffix(file, "_test.go") {
		return f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz"))
	}
	if !strings.HasPrefix(file, "providers/providertest/") || f.Recv != nil || len(f.Type.Params.List) != 1 {
		return false
	}
	pointer, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	name, ok := pointer.X.(*ast.Ident)
	return ok && name.Name == "world"
}

// numbersIn reads "Shows R1, R12 and R15." into its numbers, which must rise.
func numbersIn(line string) ([]int, error) {
	if !regexp.MustCompile(form).MatchString(line) {
		return nil, fmt.Errorf(`%q has not the form "Shows R1, R12 and R15."`, line)
	}
	var numbers []int
	for _, digits := range regexp.MustCompile(`\d+`).FindAllString(line, -1) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
		return nil, fmt.Errorf("%q does not name its requirements in order, each once", line)
	}
	return numbers, nil
}
