package harness

import (
	"os"
	"strings"
	"syscall"
)

// TowerLog is what the tower has logged so far, over all its starts. Levels
// are named as slog does, INFO, WARN and ERROR, whatever carries the tower.
func TowerLog(tower Tower) []LogLine {
	if rpc := tower.RPC(); rpc != nil {
		return renamed(rpc.Log())
	}
	s, ok := tower.(*standalone)
	if !ok {
		return nil
	}
	text, _ := os.ReadFile(s.logPath()) // there is none before the start
	var lines []LogLine
	for line := range strings.Lines(string(text)) {
		_, after, _ := strings.Cut(line, "level=")
		level, message, _ := strings.Cut(after, " ")
		lines = append(lines, LogLine{Level: level, Message: message})
	}
	return lines
}

func renamed(lines []LogLine) []LogLine {
	names := map[string]string{"debug": "DEBUG", "info": "INFO", "unusual": "WARN", "broken": "ERROR"}
	for i := range lines {
		lines[i].Level = names[lines[i].Level]
	}
	return lines
}

// TowerLogged counts the lines of a level with all of these texts in them.
func TowerLogged(tower Tower, level string, texts ...string) (count int) {
	for _, line := range TowerLog(tower) {
		found := line.Level == level
		for _, text := range texts {
			found = found && strings.Contains(line.Message, text)
		}
		if found {
			count++
		}
	}
	return count
}

// Freeze stops a standalone tower where it is, until the returned function
// lets it go on: what happens meanwhile it sees all at once.
func Freeze(t T, tower Tower) (thaw func()) {
	t.Helper()
	s, ok := tower.(*standalone)
	if !ok {
		t.Fatalf("only a standalone tower can be frozen")
	}
	send := func(signal os.Signal) { _ = s.proc.cmd.Process.Signal(signal) } // it may have ended
	t.Cleanup(func() { send(syscall.SIGCONT) })
	send(syscall.SIGSTOP)
	return func() { send(syscall.SIGCONT) }
}
