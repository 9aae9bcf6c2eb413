package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ, 100 on every Linux.
const tick = 10 * time.Millisecond

// machine tells what the figures were measured on.
func machine() []string {
	return []string{
		fmt.Sprintf("commit %s, %s", output("git", "describe", "--always", "--dirty"), time.Now().UTC().Format("2006-01-02 15:04 MST")),
		fmt.Sprintf("%d cores, %s, %s of memory", runtime.NumCPU(), field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal")),
		fmt.Sprintf("%s %s, %s", output("uname", "-sr"), runtime.GOARCH, runtime.Version()),
		"over " + backend().Name + ", signatures of the tower by " + library(),
		fmt.Sprintf("data on %s in %s", lastWord(output("df", "--output=fstype", os.TempDir())), os.TempDir()),
		fmt.Sprintf("load average before the start: %s", strings.Join(firstWords("/proc/loadavg", 3), ", ")),
	}
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func lastWord(text string) string { return text[strings.LastIndexAny(text, " \n")+1:] }

// field is the value of the first line of a file in /proc that has this name.
func field(path, name string) string {
	text, _ := os.ReadFile(path) // there is none but on Linux
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstWords(path string, n int) []string {
	text, _ := os.ReadFile(path)
	words := strings.Fields(string(text))
	return words[:min(n, len(words))]
}

// cpuOf is the CPU time, user and system, that a process has used so far.
func cpuOf(pid int) time.Duration {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	// The second field is a name in parentheses and may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return 0
	}
	user, _ := strconv.Atoi(fields[utime])
	system, _ := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick
}

// memory is what /proc/PID/status says under a name (VmRSS, VmHWM), in bytes.
func memory(pid int, name string) int64 {
	text := field(filepath.Join("/proc", strconv.Itoa(pid), "status"), name)
	kib, _ := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	return kib * 1024
}

// childIn is the process that this one has started in a working directory.
func childIn(dir string) int {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && cwd == dir {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			return pid
		}
	}
	return 0
}
