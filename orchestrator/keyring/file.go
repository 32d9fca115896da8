package keyring

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxFile bounds what is read as a key file: no ring is anywhere near it.
const maxFile = 64 << 10

// fileHead explains a key file to whoever finds it.
const fileHead = `# The key of this acquit deployment. Provider keys are derived from it and stored
# requests are sealed with it. Keep it secret, back it up apart from the ledger,
# and never change a line: to replace the key, add a line with the next version.
# One line per version, VERSION:BASE64, at least 32 bytes. The highest version is
# active unless a line active:VERSION names another.
`

// ParseRing reads the content of a key file, or of an environment variable with
// the same text. Blank lines and lines that begin with # are skipped; the others
// are VERSION:BASE64, or active:VERSION. Its errors show no content.
func ParseRing(content string) (*Ring, error) {
	versions, active := map[int][]byte{}, 0
	for i, line := range strings.Split(content, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("keyring: line %d: no version; want VERSION:BASE64", i+1)
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "active" {
			v, err := strconv.Atoi(value)
			if err != nil || active != 0 || v == 0 {
				return nil, fmt.Errorf("keyring: line %d: want one line active:VERSION with a version that is here", i+1)
			}
			active = v
			continue
		}
		v, err := strconv.Atoi(name)
		if err != nil || v < 1 || v > maxVersion {
			return nil, fmt.Errorf("keyring: line %d: the version is not a number from 1 to %d", i+1, maxVersion)
		}
		if _, twice := versions[v]; twice {
			return nil, fmt.Errorf("keyring: line %d: version %d is there twice", i+1, v)
		}
		k, err := base64.StdEncoding.Strict().DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("keyring: line %d: version %d is not base64 (RFC 4648 section 4, with padding)", i+1, v)
		}
		versions[v] = k
	}
	if active == 0 {
		for v := range versions {
			active = max(active, v)
		}
	}
	return newRing(active, versions)
}

// LoadFile reads a key file. It refuses one that its group or others may read
// or write. Errors: fs.ErrNotExist if there is none.
func LoadFile(path string) (*Ring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, not of what the path may name by now
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keyring: %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("keyring: others may use %s (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("keyring: %s is larger than %d bytes", path, maxFile)
	}
	ring, err := ParseRing(string(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}

// CreateFile writes the ring to a new file that only its owner may read. On
// return the file is on disk, whole: it appears under its name only then, so a
// crash leaves no half of a key behind. Errors: fs.ErrExist if there is a file
// of that name, which is left alone.
func (r Ring) CreateFile(path string) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	defer os.Remove(temp.Name())
	if _, err = temp.Write(r.encode()); err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("keyring: write %s: %w", path, err)
	}
	if err := os.Link(temp.Name(), path); err != nil { // unlike a rename, this replaces nothing
		return fmt.Errorf("keyring: %w", err)
	}
	return syncDir(dir)
}

// encode is the content of the ring's file.
func (r Ring) encode() []byte {
	var b bytes.Buffer
	b.WriteString(fileHead)
	versions := r.Versions()
	for _, v := range versions {
		fmt.Fprintf(&b, "%d:%s\n", v, base64.StdEncoding.EncodeToString(r.keys().versions[v].k))
	}
	if r.keys().active != versions[len(versions)-1] {
		fmt.Fprintf(&b, "active:%d\n", r.keys().active)
	}
	return b.Bytes()
}

// syncDir makes a new name in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("keyring: sync %s: %w", path, err)
	}
	return nil
}

// missing reports whether a file is absent, as opposed to unreadable.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
