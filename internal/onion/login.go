package onion

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// What Tor and its client say to each other with the cookie as key
// (control-spec, AUTHCHALLENGE).
const (
	toController = "Tor safe cookie authentication server-to-controller hash"
	toServer     = "Tor safe cookie authentication controller-to-server hash"
	nonceSize    = 32
)

var (
	errPassword   = errors.New("the control port wants a password: set tor-password to the one whose hash is HashedControlPassword in torrc")
	errWrong      = errors.New("the control port refuses the password: set tor-password to the one whose hash is HashedControlPassword in torrc")
	errCookie     = errors.New("the control port's cookie is not the one in the file that it names: is that file of another Tor?")
	errCookieFile = errors.New("the user that runs the tower must be able to read it (on Debian: add it to the group debian-tor, and start again), or set tor-password")
	errNoMethod   = errors.New("the control port offers no way to authenticate that is known here: enable CookieAuthentication in torrc, or set HashedControlPassword and tor-password")
)

// methods is what a control port says of how to authenticate.
type methods struct {
	offered    []string
	cookieFile string
}

func (c *control) methods() (m methods, err error) {
	lines, err := c.ask("PROTOCOLINFO 1")
	if err != nil {
		return m, err
	}
	for _, line := range lines {
		if rest, found := strings.CutPrefix(line, "AUTH "); found {
			m.offered = strings.Split(field(rest, "METHODS"), ",")
			m.cookieFile = field(rest, "COOKIEFILE")
		}
	}
	return m, nil
}

// login authenticates by what the control port offers: nothing, a password
// that is given, or its cookie. The bare cookie is never sent: whoever answers
// at the address could ask for any file of this machine by its name.
func (c *control) login(password string) error {
	m, err := c.methods()
	if err != nil {
		return err
	}
	offers := func(method string) bool { return slices.Contains(m.offered, method) }
	switch {
	case offers("NULL"):
		_, err = c.ask("AUTHENTICATE")
	case offers("HASHEDPASSWORD") && password != "":
		_, err = c.ask("AUTHENTICATE " + hex.EncodeToString([]byte(password)))
		err = insteadOf(err, errWrong)
	case offers("SAFECOOKIE"):
		err = c.loginByCookie(m.cookieFile)
	case offers("HASHEDPASSWORD"):
		err = errPassword
	default:
		err = errNoMethod
	}
	return err
}

// insteadOf returns what to tell of a refusal, and other errors as they are.
func insteadOf(err, say error) error {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return fmt.Errorf("%w (%w)", say, r)
	}
	return err
}

func (c *control) loginByCookie(path string) error {
	cookie, err := readCookie(path)
	if err != nil {
		return err
	}
	var nonce [nonceSize]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	lines, err := c.ask("AUTHCHALLENGE SAFECOOKIE " + hex.EncodeToString(nonce[:]))
	if err != nil {
		return err
	}
	theirs, proof, err := parseChallenge(lines[0])
	if err != nil {
		return err
	}
	if !hmac.Equal(proof, prove(toController, cookie, nonce[:], theirs)) {
		return errCookie
	}
	_, err = c.ask("AUTHENTICATE " + hex.EncodeToString(prove(toServer, cookie, nonce[:], theirs)))
	return insteadOf(err, errCookie)
}

func parseChallenge(line string) (nonce, proof []byte, err error) {
	nonce, err = hex.DecodeString(field(line, "SERVERNONCE"))
	if err != nil || len(nonce) != nonceSize {
		return nil, nil, errReply
	}
	if proof, err = hex.DecodeString(field(line, "SERVERHASH")); err != nil || len(proof) != sha256.Size {
		return nil, nil, errReply
	}
	return nonce, proof, nil
}

func prove(what string, cookie, ours, theirs []byte) []byte {
	mac := hmac.New(sha256.New, []byte(what))
	for _, part := range [][]byte{cookie, ours, theirs} {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// readCookie reads the file that Tor names; no other has its size.
func readCookie(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the control port's cookie: %w: %w", err, errCookieFile)
	}
	defer f.Close()
	const size = 32
	cookie, err := io.ReadAll(io.LimitReader(f, size+1))
	if err != nil {
		return nil, fmt.Errorf("read the control port's cookie: %w", err)
	}
	if len(cookie) != size {
		return nil, fmt.Errorf("%s: %w", path, errCookie)
	}
	return cookie, nil
}
