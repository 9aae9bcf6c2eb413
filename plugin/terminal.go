package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// widthOf returns how many characters fit into a line of what is written to; 0,
// for any number, where that is no terminal.
func widthOf(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
