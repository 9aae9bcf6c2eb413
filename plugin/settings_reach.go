package main

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/operator"
)

// reachSettings are by what others reach the API, beside where it listens.
type reachSettings struct {
	public []operator.Address // without lines and notes
	tls    *tlsSettings       // nil for none, as tor
	tor    *torSettings
}

// tlsSettings has either files or names.
type tlsSettings struct {
	bind      string
	cert, key string
	names     []string
	directory string // "" for Let's Encrypt's
}

type torSettings struct {
	control, password string
	target            string // "" for where the API listens
}

func (p *parser) reach() reachSettings {
	return reachSettings{public: p.public(), tls: p.tls(), tor: p.tor()}
}

// list returns what an option names, separated by commas.
func (p *parser) list(name string) []string {
	var list []string
	for text := range strings.SplitSeq(p.raw[name], ",") {
		if text = strings.TrimSpace(text); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// Kinds of addresses.
const (
	overHTTP  = "http"
	overHTTPS = "https"
	overTor   = "onion"
)

func (p *parser) public() []operator.Address {
	var list []operator.Address
	for _, text := range p.list("public-address") {
		a, why := publicAddress(text)
		if why != "" {
			p.fail("public-address", "%s, has %q", why, text)
			continue
		}
		list = append(list, a)
	}
	return list
}

// publicAddress reads host:port, which https:// may stand before, and says what
// is wrong with it.
func publicAddress(text string) (a operator.Address, why string) {
	a.Kind = overHTTP
	rest, secure := strings.CutPrefix(text, "https://")
	if secure {
		a.Kind = overHTTPS
	} else {
		rest = strings.TrimPrefix(text, "http://")
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(rest, "/"))
	if n, errPort := strconv.ParseUint(port, 10, 16); err != nil || errPort != nil || n == 0 {
		return a, "must be names or addresses with a port as in tower.example:9814"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return a, "must be where others reach the tower, not what it listens on"
	} else if err != nil && !isName(host) {
		return a, "must be names or addresses with a port as in tower.example:9814"
	}
	if strings.HasSuffix(strings.ToLower(host), ".onion") {
		a.Kind = overTor
	}
	a.Address = net.JoinHostPort(strings.ToLower(host), port)
	return a, ""
}

// isName tells whether text can be a host's name (RFC 1123).
func isName(text string) bool {
	if len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return false
		}
		for _, c := range label {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", c) {
				return false
			}
		}
	}
	return true
}

func (p *parser) tls() *tlsSettings {
	t := &tlsSettings{
		bind: p.raw["tls-bind"], cert: p.raw["tls-cert"], key: p.raw["tls-key"],
		names: p.names(), directory: p.acmeDirectory(),
	}
	files := t.cert != "" || t.key != ""
	switch {
	case t.bind == "" && !files && len(t.names) == 0:
		return nil
	case t.bind == "":
		p.fail("tls-bind", "must be set with tls-cert or tls-acme, to an address and a port as in 0.0.0.0:443")
	case !isBind(t.bind):
		p.fail("tls-bind", "must be an address and a port as in 0.0.0.0:443, is %q", t.bind)
	case files && len(t.names) > 0:
		p.fail("tls-acme", "can't be used with tls-cert and tls-key: choose one")
	case files && (t.cert == "" || t.key == ""):
		p.fail("tls-cert", "goes with tls-key: set both")
	case !files && len(t.names) == 0:
		p.fail("tls-bind", "needs a certificate: set tls-cert and tls-key, or tls-acme")
	}
	return t
}

func isBind(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err == nil
}

// names are those for which certificates are got. No authority gives one for an
// address by the challenge that is used here, nor for a single label.
func (p *parser) names() []string {
	var list []string
	for _, name := range p.list("tls-acme") {
		_, err := netip.ParseAddr(name)
		if err == nil || !isName(name) || !strings.Contains(name, ".") || strings.HasSuffix(name, ".onion") {
			p.fail("tls-acme", "must be public names as in tower.example, has %q", name)
			continue
		}
		if name = strings.ToLower(name); !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func (p *parser) acmeDirectory() string {
	text := p.raw["tls-acme-directory"]
	u, err := url.Parse(text)
	if text != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		p.fail("tls-acme-directory", "must be an authority's URL, https://…, is %q", text)
	}
	return text
}

func (p *parser) tor() *torSettings {
	t := &torSettings{
		control: strings.TrimPrefix(p.raw["tor-control"], "unix:"), password: p.raw["tor-password"], target: p.raw["tor-target"],
	}
	if t.control == "" {
		if t.target != "" {
			p.fail("tor-target", "needs tor-control, Tor's control port")
		}
		return nil
	}
	if !strings.HasPrefix(t.control, "/") && !isTarget(t.control) {
		p.fail("tor-control", "must be an address and a port as in 127.0.0.1:9051, or the path of a socket, is %q", t.control)
	}
	if t.target != "" && !isTarget(t.target) {
		p.fail("tor-target", "must be an address and a port as in 10.0.0.2:9814, is %q", t.target)
	}
	return t
}

// isTarget tells whether text is a host and a port that one can connect to.
func isTarget(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, errPort := strconv.ParseUint(port, 10, 16)
	if _, errAddr := netip.ParseAddr(host); errAddr != nil && !isName(host) {
		return false
	}
	return err == nil && errPort == nil && n > 0
}
