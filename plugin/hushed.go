package main

import "strings"

// hushed is a word that was typed, as an error may show it: without the value of an
// option and the login in a URL, which may be secret.
func hushed(word string) string {
	if name, _, found := strings.Cut(word, "="); found {
		return name + "=…"
	}
	scheme, rest, _ := strings.Cut(word, "://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return scheme + "://…" + rest[at:]
	}
	return word
}
