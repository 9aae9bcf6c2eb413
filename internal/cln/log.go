package cln

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLogLine bounds one line in the log, in bytes.
const maxLogLine = 2000

// levelTrace is lightningd's level below debug.
const levelTrace = slog.LevelDebug - 4

// logHandler turns records into lightningd's log notification.
type logHandler struct {
	queue *outbox
	attrs string // of WithAttrs, formatted
	group string // prefix of the keys to come: "a.b."
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= levelTrace }

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{h.queue, h.attrs, h.group + name + "."}
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	return &logHandler{h.queue, b.String(), h.group}
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return b.Len() < maxLogLine
	})
	h.queue.event(logLine(levelName(r.Level), b.String()))
	return nil
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() != slog.KindGroup {
		text := v.String()
		if text == "" || strings.ContainsFunc(text, needsQuotes) {
			text = strconv.Quote(cut(text, maxLogLine))
		}
		fmt.Fprintf(b, " %s%s=%s", group, a.Key, text)
		return
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, inner := range v.Group() {
		writeAttr(b, group, inner)
	}
}

func needsQuotes(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) }

// levelName maps a level to a name that lightningd accepts: it kills a plugin
// that sends another.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "unusual"
	}
	return "broken"
}

func logLine(level, text string) []byte {
	line, err := notification("log", map[string]string{"level": level, "message": oneLine(text, maxLogLine)})
	if err != nil {
		panic("strings can always be encoded: " + err.Error())
	}
	return line
}

// oneLine cuts text to size bytes and escapes what is no printable character.
func oneLine(text string, size int) string {
	var b strings.Builder
	for _, r := range cut(text, size) {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return cut(b.String(), size)
}

// cut shortens text to size bytes, at a character's border.
func cut(text string, size int) string {
	const mark = "…"
	if len(text) <= size {
		return text
	}
	end := size - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// keepStdLog returns what sets the log package back to its state of now.
func keepStdLog() (restore func()) {
	out, flags := log.Writer(), log.Flags()
	return func() {
		log.SetFlags(flags)
		log.SetOutput(out)
	}
}

// takeStdLog sends the log package's output to h, at debug.
func takeStdLog(h slog.Handler) {
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(h, slog.LevelDebug).Writer())
}
