package mover

import (
	"os"
	"path/filepath"
	"strconv"
)

// openBy returns the process that has a file open, 0 if none is seen: only
// where the system tells of processes as Linux does, and of those that we may
// look into.
func openBy(file string) (pid int) {
	file, err := filepath.Abs(file)
	if err != nil {
		return 0
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != file {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(fd))))
		if err == nil && pid != os.Getpid() {
			return pid
		}
	}
	return 0
}
