// Package stubs shows that the contract can be called from other languages: for
// TypeScript, Python and Java the stubs are generated, compiled, and used by an
// example, which is a model of a caller in that language, against a live acquit.
//
// The stubs are not committed, and neither is anything installed: package-lock.json,
// requirements.txt and pom.xml pin the versions. The tests need node 20, npm,
// Python 3.9 with venv, a JDK 17 and Maven, which go test ./... must not; so they
// have the build tag stubs, and .ci/stubs installs what is absent and runs them.
// Without one of these they fail.
//
// For callers in Go there is interceptors/caller.
package stubs
