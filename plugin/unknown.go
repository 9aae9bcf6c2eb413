package main

import (
	"fmt"
	"strings"
)

// unknown says what to type instead of a command that there is not.
func unknown(name string) error {
	near := nearest(name)
	switch name = hushed(name); {
	case name == "-v" || name == "-V":
		return fmt.Errorf("there is no option %s: it is `vigil version`", name)
	case strings.HasPrefix(name, "-"):
		return fmt.Errorf("%.40q stands where a command is to be: options follow the command, as in `vigil info --json`; see `vigil help`", name)
	case near != "":
		return fmt.Errorf("there is no command %.40q: did you mean `vigil %s`? See `vigil help`", name, near)
	}
	return fmt.Errorf("there is no command %.40q: see `vigil help`", name)
}

// slips is how many letters wrong still pass for a slip of the hand.
const slips = 2

// nearest returns the command that was meant, "" if none is near.
func nearest(name string) (near string) {
	name = strings.ToLower(strings.TrimPrefix(name, prefix))
	least := min(slips, len(name)/2) + 1
	for _, s := range sections() {
		for _, c := range s.commands {
			if len(name) > len(c.name)+slips {
				continue
			}
			if d := distance(name, c.name); d < least {
				near, least = c.name, d
			}
		}
	}
	return near
}

// distance is how many letters to put in, take out or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
