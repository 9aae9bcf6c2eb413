package towerapi

import (
	"net/http"
	"net/netip"
	"strings"
)

// client returns the address that a request came from. A proxy that the
// operator trusts may name another one; what anybody else claims is not
// believed. It is invalid where no address can be told.
func (s *Server) client(r *http.Request) netip.Addr {
	peer := parseAddr(r.RemoteAddr)
	if !s.trusted(peer) {
		return peer
	}
	if hops := r.Header.Values("X-Forwarded-For"); len(hops) > 0 {
		return s.lastUntrusted(strings.Split(strings.Join(hops, ","), ","), peer)
	}
	if named := parseAddr(r.Header.Get("X-Real-IP")); named.IsValid() {
		return named
	}
	return peer
}

// lastUntrusted returns the right-most hop that is no trusted proxy: each hop
// was noted by the one to its right. Where one can't be read, nothing to its
// left is worth more.
func (s *Server) lastUntrusted(hops []string, peer netip.Addr) netip.Addr {
	last := peer
	for i := len(hops) - 1; i >= 0 && s.trusted(last); i-- {
		hop := parseAddr(hops[i])
		if !hop.IsValid() {
			break
		}
		last = hop
	}
	return last
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddr reads an address with or without a port.
func parseAddr(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap()
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
