// Protodeps writes the .proto files that the contract imports and that no Go
// module ships: it takes the file descriptors linked into the generated Go
// packages named below and prints them as source.
//
// What it guarantees: the files describe exactly what the Go packages of the
// versions in this module's go.mod describe, options and extensions included,
// so a rule written with them means the same to the compiler and to the
// library that enforces it. The output depends on those versions only.
//
// What it does not do: restore comments (a linked descriptor carries none) or
// write google/protobuf/*.proto, which every compiler has built in.
//
// Usage, from the directory of this module:
//
//	go run ./protodeps
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime/debug"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// target is where the files go, seen from the directory of this module.
const target = "../../proto/third_party"

// dependency is one file to write.
type dependency struct {
	file      protoreflect.FileDescriptor
	module    string // Go module whose generated package carries the descriptor
	origin    string // where the original source is published
	copyright string // as the original source has it
}

// dependencies lists every file, so that nothing is written by accident: an
// import that is missing here fails the build of the contract.
func dependencies() []dependency {
	return []dependency{
		{
			file:      validate.File_buf_validate_validate_proto,
			module:    "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go",
			origin:    "https://github.com/bufbuild/protovalidate/blob/main/proto/protovalidate/buf/validate/validate.proto",
			copyright: "Copyright 2023-2026 Buf Technologies, Inc.",
		},
		{
			file:      errdetails.File_google_rpc_error_details_proto,
			module:    "google.golang.org/genproto/googleapis/rpc",
			origin:    "https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto",
			copyright: "Copyright 2026 Google LLC",
		},
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "protodeps:", err)
		os.Exit(1)
	}
}

// run writes all dependencies.
func run() error {
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	root, err := os.OpenRoot(target)
	if err != nil {
		return err
	}
	for _, d := range dependencies() {
		if err := write(root, d); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", d.file.Path(), err), root.Close())
		}
	}
	return root.Close()
}

// write prints one file below root.
func write(root *os.Root, d dependency) error {
	version, err := moduleVersion(d.module)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, notice, d.copyright, d.origin, d.module, version)
	printer := &protoprint.Printer{ForceFullyQualifiedNames: true}
	if err := printer.PrintProtoFile(d.file, &out); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := root.MkdirAll(path.Dir(d.file.Path()), 0o755); err != nil {
		return err
	}
	file, err := root.Create(d.file.Path())
	if err != nil {
		return err
	}
	_, err = out.WriteTo(file)
	return errors.Join(err, file.Close())
}

// moduleVersion returns the version of a module linked into this binary.
func moduleVersion(module string) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("no build information: run with go run ./protodeps")
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version, nil
		}
	}
	return "", fmt.Errorf("module %s is not linked in", module)
}

// notice is the head of every written file. The licence asks that a changed
// file says so.
const notice = `// %s
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.
//
// Original: %s
// This copy was changed: it is printed from the descriptor linked into
// %s %s
// and has no comments. Written by .ci/tools/protodeps; do not edit.

`
