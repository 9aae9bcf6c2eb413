package teos

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Token is the secret of an invitation: 160 random bits as 32 characters, a to z
// and 2 to 7, which are a label of a host name (RFC 1035), since the clients in
// the field can show one by the name of the host only.
type Token string

const tokenSize = 20 // bytes

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken makes a token.
func NewToken() Token {
	var b [tokenSize]byte
	_, _ = rand.Read(b[:]) // it never fails
	return Token(tokenText.EncodeToString(b[:]))
}

// ParseToken reads a token, in either case as host names are; ok is false for what
// is none.
func ParseToken(text string) (t Token, ok bool) {
	text = strings.ToLower(text)
	if len(text) != tokenText.EncodedLen(tokenSize) {
		return "", false
	}
	if _, err := tokenText.DecodeString(text); err != nil {
		return "", false
	}
	return Token(text), true
}

// Hash is what is stored of a token.
func (t Token) Hash() [sha256.Size]byte { return sha256.Sum256([]byte(t)) }
