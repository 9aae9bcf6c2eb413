package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// object is a JSON object with its fields in their order.
type object []field

type field struct {
	name  string
	value any // object, []any, string, json.Number, bool or nil
}

// parseDocument reads a JSON document. Its depth is bounded by encoding/json.
func parseDocument(document []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	value, err := parseValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more behind it")
	}
	return value, nil
}

func parseValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return parseFields(d)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return token, nil
}

func parseFields(d *json.Decoder) (object, error) {
	o := object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := parseValue(d)
		if err != nil {
			return nil, err
		}
		o = append(o, field{printable(fmt.Sprint(name)), value})
	}
	_, err := d.Token()
	return o, err
}

// plain is a single value as a person reads it. What its name ends with tells what
// it counts.
func plain(name string, value any, now time.Time) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case json.Number:
		return quantity(name, v)
	case object:
		return "none" // the only one that comes here is empty
	case string:
		if at, ok := timeOf(v); ok {
			return at.Format("2006-01-02 15:04:05 UTC") + ", " + ago(now.Sub(at))
		}
		return printable(v)
	}
	return fmt.Sprint(value)
}

func quantity(name string, number json.Number) string {
	n, err := number.Float64()
	switch {
	case err != nil:
		return number.String()
	case strings.HasSuffix(name, "_bytes"):
		return size(n)
	case strings.HasSuffix(name, "_seconds"):
		return span(time.Duration(n * float64(time.Second)))
	case strings.HasSuffix(name, "_ms"):
		return number.String() + " ms"
	}
	return number.String()
}

// size is a number of bytes, in units of a thousand as disks are sold.
func size(n float64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for n >= 999.95 && i < len(units)-1 {
		n /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f bytes", n)
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// span is a time in its one or two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
}

func ago(d time.Duration) string {
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

func timeOf(value any) (time.Time, bool) {
	text, ok := value.(string)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, text)
	return at.UTC(), err == nil
}

// printable is a value as it is shown.
func printable(text string) string {
	if text == "" {
		return "-"
	}
	return Printable(text)
}

// Printable leaves nothing in a text that does something to a terminal: some of
// what is shown was said by others. Lines become one.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
