package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestAWrongCommandIsToldTheRightOne, where it is a slip of the hand; nothing is
// guessed where it is not.
func TestAWrongCommandIsToldTheRightOne(t *testing.T) {
	for name, want := range map[string]string{
		"infoo": "info", "inof": "info", "ifo": "info", "Info": "info", "import_teos": "import-teos",
		"vigil-info": "info", "vigil-usrs": "users", "versio": "version",
	} {
		_, err := shell(t, name)
		_, help := shell(t, "help", name)
		if said := fmt.Sprint(err); !strings.HasSuffix(said, ": did you mean `vigil "+want+"`? See `vigil help`") || fmt.Sprint(help) != said {
			t.Errorf("%s: %v, %v", name, err, help)
		}
	}
	for _, name := range []string{"x", "in", "start", "", "日本", strings.Repeat("info", 1<<20)} {
		if _, err := shell(t, name); err == nil || !strings.HasSuffix(err.Error(), ": see `vigil help`") || len(err.Error()) > 200 {
			t.Errorf("%.40q: %.300v", name, err)
		}
	}
}

// TestOptionsFollowTheCommand, which is said to who puts them before it.
func TestOptionsFollowTheCommand(t *testing.T) {
	for arg, want := range map[string]string{
		"--json": "options follow the command", "--data-dir=x": "options follow the command", "-": "options follow",
		"-v": "it is `vigil version`", "-V": "it is `vigil version`",
	} {
		if _, err := shell(t, arg, "info"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if out, err := shell(t, "--version"); err != nil || out != version+"\n" {
		t.Errorf("%s, %v", out, err)
	}
}
