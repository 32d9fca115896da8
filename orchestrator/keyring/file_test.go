package keyring

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// line is a version of the fixed ring as a line of a key file.
func line(t *testing.T, version int) string {
	t.Helper()
	r := fixed(t, version)
	return string(rune('0'+version)) + ":" + base64.StdEncoding.EncodeToString(r.keys().versions[version].k) + "\n"
}

func TestParseRing(t *testing.T) {
	one, two, three := line(t, 1), line(t, 2), line(t, 3)
	for name, c := range map[string]struct {
		content  string
		versions []int
		active   int
	}{
		"one version":                  {one, []int{1}, 1},
		"the highest is active":        {two + three + one, []int{1, 2, 3}, 3},
		"another is active":            {one + "active:1\n" + two, []int{1, 2}, 1},
		"comments and blank lines":     {"# key\n\n  # more\n" + one + "\n", []int{1}, 1},
		"no newline at the end":        {strings.TrimSpace(one), []int{1}, 1},
		"Windows line ends":            {strings.ReplaceAll(one+two, "\n", "\r\n"), []int{1, 2}, 2},
		"space around version and key": {" 1 : " + one[2:], []int{1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRing(c.content)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Versions(), c.versions) || r.Active() != c.active {
				t.Errorf("ParseRing = %v, want versions %v, active %d", r, c.versions, c.active)
			}
			for _, v := range c.versions {
				if !slices.Equal(r.keys().versions[v].k, fixed(t, v).keys().versions[v].k) {
					t.Errorf("version %d was not read as it was written", v)
				}
			}
		})
	}
}

// Goal: a broken key file is refused with the line and the reason, and without
// a byte of its content.
func TestParseRingRefuses(t *testing.T) {
	one := strings.TrimSpace(line(t, 1))
	short := base64.StdEncoding.EncodeToString(fixed(t, 1).keys().versions[1].k[:31])
	for name, c := range map[string]struct{ content, want string }{
		"nothing":            {"", "no key"},
		"only comments":      {"# 1:abc\n", "no key"},
		"no version":         {one[2:], "line 1: no version"},
		"version is no word": {"first:" + one[2:], "line 1: the version is not a number"},
		"version 0":          {"0:" + one[2:], "line 1: the version"},
		"negative version":   {"-1:" + one[2:], "line 1: the version"},
		"version 256":        {"256:" + one[2:], "line 1: the version"},
		"key before colon":   {one[2:] + ":1", "line 1: the version"},
		"twice":              {one + "\n" + one, "line 2: version 1 is there twice"},
		"too short":          {"1:" + short, "version 1 has 31 bytes, want at least 32"},
		"empty key":          {"1:", "version 1 has 0 bytes"},
		"not base64":         {"# c\n1:" + strings.Repeat("*", 44), "line 2: version 1 is not base64"},
		"no padding":         {strings.TrimSuffix(one, "="), "line 1: version 1 is not base64"},
		"cut off":            {one[:40], "line 1: version 1 is not base64"},
		"active elsewhere":   {one + "\nactive:2", "version 2 is to be active"},
		"active twice":       {one + "\nactive:1\nactive:1", "line 3: want one line active"},
		"active is no word":  {one + "\nactive:" + one[2:], "line 2: want one line active"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRing(c.content)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("ParseRing = %v, want an error with %q", err, c.want)
			}
			assertNoSecret(t, err.Error())
		})
	}
}

// Goal: a ring survives its file, which only its owner can read.
func TestCreateAndLoad(t *testing.T) {
	two, err := newRing(1, map[int][]byte{1: fixed(t, 1).keys().versions[1].k, 2: fixed(t, 2).keys().versions[2].k})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Ring{"one version": fixed(t, 1), "the highest active": fixed(t, 1, 2, 3), "the first active": two} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := r.CreateFile(path); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, %v; want -rw-------", info.Mode(), err)
			}
			got, err := LoadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != r.String() {
				t.Errorf("loaded %v, want %v", got, r)
			}
			if want := sealed(t, r); len(want) > 0 {
				if opened, err := got.Open(want, operation()); err != nil || string(opened) != plain {
					t.Errorf("the loaded ring does not open what was sealed: %v", err)
				}
			}
			if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
				t.Errorf("%d files were left, want the key alone: %v", len(entries), entries)
			}
		})
	}
}

// Goal: a key that exists is never overwritten.
func TestCreateFileReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := fixed(t, 1).CreateFile(path); err != nil {
		t.Fatal(err)
	}
	if err := fixed(t, 2).CreateFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateFile over a key = %v, want fs.ErrExist", err)
	}
	if r, err := LoadFile(path); err != nil || r.Active() != 1 {
		t.Errorf("the file now holds %v, %v; want version 1 as before", r, err)
	}
	if err := fixed(t, 1).CreateFile(filepath.Join(t.TempDir(), "absent", "key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CreateFile in no directory = %v, want fs.ErrNotExist", err)
	}
}

func TestLoadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode fs.FileMode, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return path
	}
	good := line(t, 1)
	for name, c := range map[string]struct{ path, want string }{
		"readable for the group": {write("group", 0o640, good), "chmod 600"},
		"readable for all":       {write("all", 0o604, good), "chmod 600"},
		"writable for the group": {write("write", 0o620, good), "chmod 600"},
		"a directory":            {dir, "not a regular file"},
		"absent":                 {filepath.Join(dir, "absent"), "no such file"},
		"too large":              {write("large", 0o600, good+strings.Repeat("#", maxFile)), "larger than"},
		"broken":                 {write("broken", 0o600, good+good), "broken: keyring: line 2"},
		"empty":                  {write("empty", 0o600, ""), "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadFile(c.path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("LoadFile = %v, want an error with %q", err, c.want)
			}
			assertNoSecret(t, err.Error())
		})
	}
	if _, err := LoadFile(write("owner", 0o400, good)); err != nil {
		t.Errorf("a key that its owner can only read is refused: %v", err)
	}
}
