package providertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers"
)

// Golden builds requests, holds the bytes of each against testdata/NAME.golden, and
// returns them. With update the files are written anew.
func Golden(t *testing.T, update bool, builds map[string]func() (providers.Request, error)) map[string]providers.Request {
	t.Helper()
	built := map[string]providers.Request{}
	for name, build := range builds {
		r, err := build()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		built[name] = r
		got := r.Method + " " + r.Path + "\n" + string(r.Key) + "\n" + string(r.Body) + "\n"
		file := filepath.Join("testdata", name+".golden")
		if update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	return built
}
