package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"vigil/internal/certs"
	"vigil/internal/onion"
	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/towerapi"
)

// acmeDir is where certificates are kept in the data directory.
const acmeDir = "acme"

// onionPort is what clients connect to at the onion service: the one that the
// field's take where none is given.
const onionPort = 9814

// reach is by what others get to the API.
type reach struct {
	settings reachSettings
	inWords  func(string) string // names options as their user writes them
	bind     string              // that of the API
	proxied  bool                // a reverse proxy leads to it
	api      func() *towerapi.Server
	certs    interface {
		towerapi.Certificates
		Status() certs.Status
	} // nil without TLS
	onion *onion.Service // nil without Tor
}

// newReach makes what of it is configured. api returns nil until there is one.
func newReach(s settings, path func(string) string, api func() *towerapi.Server, log *slog.Logger) *reach {
	r := &reach{settings: s.reach, inWords: s.inWords, bind: s.api.bind, proxied: len(s.api.proxies) > 0, api: api}
	if t := s.reach.tls; t != nil && len(t.names) > 0 {
		r.certs = certs.NewACME(certs.ACMEConfig{
			Names: t.names, Cache: path(acmeDir), Directory: t.directory, Log: log,
		})
	} else if t != nil {
		r.certs = certs.NewFiles(t.cert, t.key, log)
	}
	if t := s.reach.tor; t != nil {
		r.onion = onion.New(onion.Config{
			Control: t.control, Password: t.password, KeyFile: path(onionKeyFile), Port: onionPort,
			Target: r.target, Log: log,
		})
	}
	return r
}

// tls is what the API is given of it.
func (r *reach) tls() *towerapi.TLS {
	if r.certs == nil {
		return nil
	}
	return &towerapi.TLS{Bind: r.settings.tls.bind, Certificates: r.certs}
}

// secureAddr is where the API listens with TLS, if it does.
func (r *reach) secureAddr() []string {
	if api := r.api(); api != nil && api.TLSAddr() != "" {
		return []string{api.TLSAddr()}
	}
	return nil
}

// target is where Tor reaches the API. Whatever listens on every address
// listens on this machine's own.
func (r *reach) target() string {
	if t := r.settings.tor.target; t != "" {
		return t
	}
	bind := r.bind
	if api := r.api(); api != nil && api.Addr() != "" {
		bind = api.Addr()
	}
	host, port, err := net.SplitHostPort(bind)
	if err != nil || port == "0" {
		return ""
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "" || err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// addresses are where others reach the API, those first that were named as
// public.
func (r *reach) addresses(id teos.UserID) []operator.Address {
	list := append([]operator.Address{}, r.settings.public...)
	if r.onion != nil {
		if s := r.onion.Status(); s.Address != "" {
			a := operator.Address{Address: s.Address, Kind: overTor}
			if s.Err != nil {
				a.Note = "not offered now: see the warnings"
			}
			list = append(list, a)
		}
	}
	list = append(list, r.certified()...)
	if len(r.settings.public) == 0 {
		list = append(list, r.listening()...)
	}
	return complete(list, id)
}

// certified are the names for which certificates are got.
func (r *reach) certified() (list []operator.Address) {
	if r.settings.tls == nil {
		return nil
	}
	for _, name := range r.settings.tls.names {
		list = append(list, operator.Address{Address: net.JoinHostPort(name, "443"), Kind: overHTTPS})
	}
	return list
}

// unknownHost stands where only the operator knows the name.
const unknownHost = "HOST"

// listening are the listeners' own addresses.
func (r *reach) listening() (list []operator.Address) {
	api := r.api()
	if api == nil {
		return nil
	}
	if addr := api.Addr(); addr != "" {
		list = append(list, r.listeningAt(addr, overHTTP))
	}
	if addr := api.TLSAddr(); addr != "" && len(r.settings.tls.names) == 0 {
		list = append(list, r.listeningAt(addr, overHTTPS))
	}
	return list
}

func (r *reach) listeningAt(addr, kind string) operator.Address {
	a := operator.Address{Address: addr, Kind: kind}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return a
	}
	switch ip, err := netip.ParseAddr(host); {
	case err != nil:
	case ip.IsLoopback() && r.proxied:
		a.Note = r.inWords("through your reverse proxy: set public-address to what leads there")
	case ip.IsLoopback():
		a.Note = operator.OnlyHere
	case ip.IsUnspecified():
		a.Address = net.JoinHostPort(unknownHost, port)
		a.Note = r.inWords("HOST stands for this machine's public name or address: set public-address")
	}
	return a
}

// notForClients is what to know of an address with https.
const notForClients = "the clients in the field speak plain HTTP and can't use it directly"

// complete says what to type for each, and what to know. One that is named twice
// stands once.
func complete(all []operator.Address, id teos.UserID) (list []operator.Address) {
	for _, a := range all {
		if slices.ContainsFunc(list, func(b operator.Address) bool { return b.Address == a.Address }) {
			continue
		}
		switch {
		case a.Kind == overHTTPS:
			a.Note = strings.TrimPrefix(a.Note+"; "+notForClients, "; ")
		case a.Kind == overTor && a.Note == "":
			a.Note = "the client's node needs a Tor proxy"
			fallthrough
		default:
			a.Register = registerLine(id, a.Address)
		}
		list = append(list, a)
	}
	return list
}

// registerLine is what a node's operator types. The field's client splits an
// argument at each colon, so an IPv6 address goes in one of its own, in quotes,
// or lightning-cli takes its brackets for a list.
func registerLine(id teos.UserID, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.Contains(host, ":") {
		return fmt.Sprintf(`lightning-cli registertower %s '"[%s]"' %s`, id, host, port)
	}
	return fmt.Sprintf("lightning-cli registertower %s@%s", id, address)
}

// warnings says what the operator should act on.
func (r *reach) warnings() (list []tower.Warning) {
	add := func(kind tower.WarningKind, format string, args ...any) {
		list = append(list, tower.Warning{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	if r.certs != nil {
		s := r.certs.Status()
		if s.Err != nil {
			add(tower.WarnCertificate, "the TLS certificate: %s", cut(s.Err.Error()))
		}
		if s.Soon {
			add(tower.WarnCertificate, "the TLS certificate expires on %s and was not renewed", s.Expires.UTC().Format("2006-01-02 15:04 UTC"))
		}
	}
	if r.onion == nil {
		return list
	}
	if s := r.onion.Status(); s.Err != nil {
		add(tower.WarnTor, "the onion service is not offered, and tried again: %s", cut(s.Err.Error()))
	}
	if r.torElsewhere() {
		add(tower.WarnTor, "Tor runs on another machine and the API listens on this one's loopback only: set api-bind or tor-target to what Tor reaches")
	}
	return list
}

// torElsewhere tells whether Tor is told to connect to a loopback address that
// is not its own.
func (r *reach) torElsewhere() bool {
	control, _, err := net.SplitHostPort(r.settings.tor.control)
	ip, errIP := netip.ParseAddr(control)
	if err != nil || errIP != nil || ip.IsLoopback() || r.settings.tor.target != "" {
		return false
	}
	target, _, _ := net.SplitHostPort(r.target())
	at, err := netip.ParseAddr(target)
	return err == nil && at.IsLoopback()
}
