package onion

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheServiceIsOfferedByWhateverLoginTorWants(t *testing.T) {
	for name, c := range map[string]struct{ methods, password string }{
		"none":                         {"NULL", ""},
		"cookie":                       {"COOKIE,SAFECOOKIE", ""},
		"password":                     {"HASHEDPASSWORD", "sesame \r\n"},
		"cookie or password":           {"COOKIE,SAFECOOKIE,HASHEDPASSWORD", "sesame"},
		"cookie, for want of password": {"COOKIE,SAFECOOKIE,HASHEDPASSWORD", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tor := newFakeTor(t, c.methods)
			tor.password = c.password
			s := tor.start(t, func(cfg *Config) { cfg.Password = c.password })
			until(t, "it is offered", func() bool { return s.Status().Err == nil })
			if got := tor.commands()[0]; !strings.HasSuffix(got, " Port=9814,127.0.0.1:1234") || strings.Contains(got, "Detach") {
				t.Errorf("Tor was told %q", got)
			}
			if a := s.Status().Address; len(a) != 56+len(".onion:9814") || !strings.HasSuffix(a, ".onion:9814") {
				t.Errorf("address is %q", a)
			}
		})
	}
}

func TestWhatIsWrongIsSaidAndTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		methods string
		spoil   func(*fakeTor, *Config)
		want    error
	}{
		"wrong password":  {"HASHEDPASSWORD", func(_ *fakeTor, c *Config) { c.Password = "wrong" }, errWrong},
		"no password":     {"HASHEDPASSWORD", func(*fakeTor, *Config) {}, errPassword},
		"wrong cookie":    {"SAFECOOKIE", func(f *fakeTor, _ *Config) { f.secret = []byte("other") }, errCookie},
		"no cookie file":  {"SAFECOOKIE", func(f *fakeTor, _ *Config) { f.cookie += "x" }, errCookieFile},
		"short cookie":    {"SAFECOOKIE", func(f *fakeTor, _ *Config) { _ = os.WriteFile(f.cookie, []byte("x"), 0o600) }, errCookie},
		"bare cookie":     {"COOKIE", func(*fakeTor, *Config) {}, errNoMethod},
		"broken key":      {"NULL", func(_ *fakeTor, c *Config) { _ = os.WriteFile(c.KeyFile, []byte("x"), 0o600) }, errKey},
		"no control port": {"NULL", func(_ *fakeTor, c *Config) { c.Control = "/nonexistent/socket" }, os.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			tor := newFakeTor(t, c.methods)
			s := tor.start(t, func(cfg *Config) { c.spoil(tor, cfg) })
			until(t, "it fails", func() bool { return errors.Is(s.Status().Err, c.want) })
			if n := len(tor.commands()); n != 0 {
				t.Errorf("it was offered %d times", n)
			}
		})
	}
}

func TestTheServiceComesBackWithTheSameAddress(t *testing.T) {
	tor := newFakeTor(t, "SAFECOOKIE")
	s := tor.start(t, nil)
	until(t, "it is offered", func() bool { return s.Status().Err == nil })
	address := s.Status().Address

	tor.drop()
	until(t, "it is offered again", func() bool { return len(tor.commands()) == 2 && s.Status().Err == nil })

	tor.mu.Lock()
	tor.forget = true
	tor.mu.Unlock()
	until(t, "it is missed", func() bool { return len(tor.commands()) > 2 })
	if got := s.Status().Address; got != address {
		t.Errorf("address is %s, was %s", got, address)
	}
	for _, command := range tor.commands() {
		if command != tor.commands()[0] {
			t.Errorf("Tor was told %q, at first %q", command, tor.commands()[0])
		}
	}
}

// What an older connection offers is waited for.
func TestACollisionIsTriedAgain(t *testing.T) {
	tor := newFakeTor(t, "NULL")
	file := filepath.Join(t.TempDir(), "onion.key")
	first := tor.start(t, func(c *Config) { c.KeyFile = file })
	until(t, "it is offered", func() bool { return first.Status().Err == nil })
	second := tor.start(t, func(c *Config) { c.KeyFile = file })
	until(t, "it collides", func() bool { return errors.Is(second.Status().Err, errTaken) })
}

func TestOverAUnixSocket(t *testing.T) {
	tor := newFakeTor(t, "NULL")
	path := filepath.Join(t.TempDir(), "control")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	tor.listener.Close()
	tor.parts.Wait()
	tor.listener = l
	tor.parts.Go(tor.accept)
	t.Cleanup(func() { l.Close() })
	s := tor.start(t, func(c *Config) { c.Control = path })
	until(t, "it is offered", func() bool { return s.Status().Err == nil })
}
