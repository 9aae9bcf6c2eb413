package teos

import (
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"
)

// errDigits says that a text has characters that are none of hex.
var errDigits = errors.New("some of its characters are no hex digits")

// ParseHex reads hex digits of either case. Its errors are for who wrote them.
func ParseHex(text string) ([]byte, error) {
	b, err := hex.DecodeString(text)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, fmt.Errorf("it has an odd number of hex digits, %d", len(text))
	case err != nil:
		return nil, errDigits
	}
	return b, nil
}

// parseHexOf reads so many bytes of hex.
func parseHexOf(text string, size int) ([]byte, error) {
	if n := utf8.RuneCountInString(text); n != 2*size {
		return nil, fmt.Errorf("it has %d characters instead of %d hex digits", n, 2*size)
	}
	return ParseHex(text)
}
