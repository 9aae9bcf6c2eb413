package main

import "net/netip"

// adminOff is the value of admin-bind for no admin address.
const adminOff = "off"

// adminSettings are where the watchroom is served.
type adminSettings struct {
	bind  string   // "" for nowhere
	hosts []string // names by which it may be asked
}

func (p *parser) admin() (a adminSettings) {
	switch bind := p.raw["admin-bind"]; {
	case bind == adminOff:
	case !isBind(bind):
		p.fail("admin-bind", "must be an address and a port as in 127.0.0.1:9816, or off, is %.60q", bind)
	default:
		a.bind = bind
	}
	for _, name := range p.list("admin-host") {
		if _, err := netip.ParseAddr(name); err == nil || !isName(name) {
			p.fail("admin-host", "must be names without a port as in tower.lan, has %.60q", name)
			continue
		}
		a.hosts = append(a.hosts, name)
	}
	return a
}
