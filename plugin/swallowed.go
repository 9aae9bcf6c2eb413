package main

import (
	"fmt"
	"slices"
	"strings"
)

// swallowed fails where an option would be taken for another one's value. Whoever
// means it so writes --name=value.
func swallowed(args []string, list []option) error {
	for i := 0; i+1 < len(args) && args[i] != "--"; i++ {
		name, wants := wantsNext(args[i], list)
		if !wants {
			continue
		}
		if i++; strings.HasPrefix(args[i], "--") {
			next := hushed(args[i])
			return fmt.Errorf("--%s needs a value, and %.40q is an option: if it is the value, write --%s=%.40s", name, next, name, next)
		}
	}
	return nil
}

// wantsNext tells whether a word is an option whose value is the next one.
func wantsNext(word string, list []option) (name string, wants bool) {
	name = strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	return name, name != word && slices.ContainsFunc(list, func(o option) bool {
		return !o.toggle && slices.Contains(spellings(o.name), name)
	})
}
