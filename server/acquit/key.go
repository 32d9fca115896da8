package main

import "strings"

// maxKey bounds the length of an idempotency key, as the service does.
const maxKey = 128

// validKey refuses a key that the service would refuse: as a mistake of the
// command line, before anything leaves.
func validKey(key string) error {
	switch {
	case key == "":
		return usage("--key: is empty; leave it out to have a key generated, but then each run is a new payment")
	case len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return usage("--key: must have 1 to %d printable ASCII characters", maxKey)
	case strings.TrimSpace(key) != key:
		return usage("--key: must not begin or end with a space")
	}
	return nil
}

// keyFlag is the flag that names a key, as a shell takes it.
func keyFlag(key string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:/@%+"
	if strings.ContainsFunc(key, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		key = "'" + strings.ReplaceAll(key, "'", `'\''`) + "'"
	}
	if strings.HasPrefix(key, "-") {
		return "--key=" + key
	}
	return "--key " + key
}

// again is what to do where an outcome is not known.
func again(key string) string {
	return "there may be an effect: ask again with " + keyFlag(key) + ", never with a new one"
}

// keyRow names the key of a call that was answered, and how to use it again
// where the command ends without an outcome; "" if the key is not known.
func keyRow(key string, code int) string {
	switch {
	case key == "":
		return ""
	case code == exitUnknown:
		return "key        " + key + "; ask again with " + keyFlag(key)
	}
	return "key        " + key
}
