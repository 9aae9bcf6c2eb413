package bitcoind

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where a node is. All of it may be left out: then it is the
// mainnet bitcoind of this machine and user.
type Config struct {
	// URL is http://[user:password@]host[:port], or https for a node with
	// a certificate that the system trusts. Without a port it is the
	// network's; without credentials, those of the cookie file are used.
	URL string
	// CookieFile is the file in which bitcoind writes its credentials at
	// each start, by default the network's below ~/.bitcoin.
	CookieFile string
	// Network is bitcoind's name for the chain: main (the default), test,
	// testnet4, signet or regtest. It chooses defaults only: compare Tip.
	Network string
}

// defaults of Bitcoin Core's chainparamsbase.cpp.
type defaults struct{ port, dir string }

var networks = map[string]defaults{
	"":         {"8332", ""},
	"main":     {"8332", ""},
	"test":     {"18332", "testnet3"},
	"testnet4": {"48332", "testnet4"},
	"signet":   {"38332", "signet"},
	"regtest":  {"18443", "regtest"},
}

// Errors of a Config. None shows any part of a URL, which may hold a password.
var (
	ErrNetwork     = errors.New("unknown network: use main, test, testnet4, signet or regtest")
	ErrURL         = errors.New("not a node's URL: use http://[user:password@]host[:port]")
	ErrCredentials = errors.New("credentials in the URL and a cookie file: use one of them")
)

// Client is a chain.Source over a node's RPC. It may be used concurrently.
type Client struct {
	endpoint    string // without credentials
	http        *http.Client
	timeout     time.Duration
	credentials *credentials
	tells       atomic.Bool
}

// New checks a Config. It does not connect: the node may start later.
func New(cfg Config) (*Client, error) {
	def, ok := networks[cfg.Network]
	if !ok {
		return nil, ErrNetwork
	}
	u, err := parseURL(cfg.URL, def.port)
	if err != nil {
		return nil, err
	}
	cred, err := newCredentials(u.User, cfg.CookieFile, def.dir)
	if err != nil {
		return nil, err
	}
	u.User = nil
	return &Client{
		endpoint:    u.String(),
		http:        newHTTPClient(),
		timeout:     callTimeout,
		credentials: cred,
	}, nil
}

// Close drops the connections that are kept for a next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func parseURL(text, port string) (*url.URL, error) {
	if text == "" {
		text = "http://127.0.0.1"
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User == nil && strings.Contains(u.Path, "@") {
		return nil, wrongURL(text)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// wrongURL says more of one that may have credentials: a / in a password ends the
// host there, and the rest of the password would be a path.
func wrongURL(text string) error {
	if !strings.Contains(text, "@") {
		return ErrURL
	}
	return fmt.Errorf("%w; in a user's name or password, write / as %%2F, # as %%23, %% as %%25, ? as %%3F, @ as %%40 and so on, or name a cookie file instead", ErrURL)
}

type login struct{ user, password string }

// credentials are fixed, or read from a cookie file when they are needed.
type credentials struct {
	file string // empty if fixed
	mu   sync.Mutex
	last login
}

func newCredentials(user *url.Userinfo, file, dir string) (*credentials, error) {
	if user != nil {
		if file != "" {
			return nil, ErrCredentials
		}
		password, _ := user.Password()
		return &credentials{last: login{user.Username(), password}}, nil
	}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("no home directory: name the cookie file: %w", err)
		}
		file = filepath.Join(home, ".bitcoin", dir, ".cookie")
	}
	return &credentials{file: file}, nil
}

// current returns the credentials to use now.
func (c *credentials) current() (login, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != "" && c.last == (login{}) {
		var err error
		if c.last, err = readCookie(c.file); err != nil {
			return login{}, err
		}
	}
	return c.last, nil
}

// renewed says whether there are others than the refused ones: bitcoind
// writes new ones at each start. It forgets the refused ones.
func (c *credentials) renewed(refused login) bool {
	if c.file == "" {
		return false
	}
	c.mu.Lock()
	if c.last == refused {
		c.last = login{}
	}
	c.mu.Unlock()
	now, err := c.current()
	return err == nil && now != refused
}

// readCookie reads user:password. The file is bitcoind's, of about 75 bytes.
func readCookie(file string) (login, error) {
	f, err := os.Open(file)
	if err != nil {
		return login{}, fmt.Errorf("cookie of the node: is it running? If so, name its cookie file, or a user and password in its URL: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return login{}, fmt.Errorf("cookie of the node: %w", err)
	}
	user, password, ok := strings.Cut(strings.TrimSpace(string(raw)), ":")
	if !ok || user == "" {
		return login{}, fmt.Errorf("%w: no credentials in the cookie file %s", ErrUnauthorized, file)
	}
	return login{user, password}, nil
}
