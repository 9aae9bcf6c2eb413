package main

import (
	"math"
	"net"
	"net/netip"

	"vigil/internal/tower/gatekeeper"
)

// The values of access.
const (
	accessOpen    = "open"
	accessInvited = "invited"
)

// maxStorage is the greatest limit of what is stored, in megabytes.
const maxStorage = 1 << 30

// gatekeeperTerms are the operator's terms for users.
func (p *parser) gatekeeperTerms(api apiSettings, r reachSettings) gatekeeper.Terms {
	return gatekeeper.Terms{
		Slots:        p.number("subscription-slots", 1, math.MaxUint32),
		Duration:     p.number("subscription-duration", 1, math.MaxUint32),
		Grace:        p.number("expiry-grace", 0, math.MaxUint32),
		Invited:      p.invited(api, r),
		MaxUsers:     p.number("max-users", 0, math.MaxUint32),
		MaxSlots:     p.number("max-user-slots", 0, math.MaxUint32),
		MaxAhead:     p.number("max-subscription", 0, math.MaxUint32),
		MaxBytes:     int64(p.number("max-storage", 0, maxStorage)) << 20,
		MaxUserBytes: int64(p.number("max-user-storage", 0, maxStorage)) << 20,
	}
}

// invited tells whether only who is admitted may register. Where nothing is said,
// that is so for whatever others can reach: strangers must not fill the disk of an
// operator who gave it no thought.
func (p *parser) invited(api apiSettings, r reachSettings) bool {
	switch access := p.raw["access"]; access {
	case accessOpen:
		return false
	case accessInvited:
		return true
	case "":
		return !onLoopback(api.bind) || len(api.proxies) > 0 || r.tls != nil || r.tor != nil || len(r.public) > 0
	default:
		p.fail("access", "must be %s or %s, is %.40q", accessOpen, accessInvited, access)
		return true
	}
}

func onLoopback(bind string) bool {
	host, _, err := net.SplitHostPort(bind)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
