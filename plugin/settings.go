package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"vigil/inspector"
	"vigil/internal/bitcoind"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// settings are options that were checked: what the program runs by.
type settings struct {
	// prefix stands before the options' names in a node's configuration, "" for
	// those of `vigil tower`.
	prefix string
	// network is bitcoind's name for the chain.
	network string
	dataDir string
	api     apiSettings
	// node is nil where no bitcoind is configured.
	node   *bitcoind.Config
	zmq    string
	terms  tower.Terms
	limits inspector.Limits
	// reserve is in bytes.
	reserve int64
	level   slog.Level
	reach   reachSettings
	admin   adminSettings
}

type apiSettings struct {
	bind    string
	proxies []netip.Prefix
	codes   teos.Dialect
}

// Limits of the options themselves.
const (
	maxRecentBlocks = 2016
	// maxBlobLimit leaves a request far below what lightningd and gRPC carry.
	maxBlobLimit = 1 << 20
	maxReserve   = 1 << 20 // megabytes
)

// resolve checks options. Its error names each option that is wrong and what
// it may be, with the prefix that the user writes before its name.
func resolve(r raw, prefix string) (settings, error) {
	p := &parser{raw: r, prefix: prefix}
	s := settings{
		prefix:  strings.TrimPrefix(prefix, "--"),
		dataDir: r["data-dir"],
		zmq:     p.zmq(),
		network: p.network(),
		api:     apiSettings{bind: p.bind(), proxies: p.proxies(), codes: p.codes()},
		limits: inspector.Limits{
			MinToSelfDelay: p.leastDelay(),
			MaxBlobSize:    int(p.number("max-blob-size", teos.MinBlobSize, maxBlobLimit)),
		},
		reserve: int64(p.number("disk-reserve", 0, maxReserve)) << 20,
		level:   p.level(),
		reach:   p.reach(),
		admin:   p.admin(),
	}
	s.terms = tower.Terms{
		Terms:        p.gatekeeperTerms(s.api, s.reach),
		RecentBlocks: p.number("recent-blocks", 0, maxRecentBlocks),
	}
	s.node = p.node(s.network)
	return s, errors.Join(p.errs...)
}

// named is an option as its user writes it.
func (s settings) named(option string) string { return s.prefix + option }

// ourOption matches an option's name as it stands alone in a text of ours.
var ourOption = sync.OnceValue(func() *regexp.Regexp {
	var names []string
	for _, o := range options {
		if strings.Contains(o.name, "-") {
			names = append(names, o.name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	return regexp.MustCompile(`(^|[ (])(` + strings.Join(names, "|") + `)($|[ ,;:)])`)
})

// inWords is a text with the options in it as their user writes them.
func (s settings) inWords(text string) string {
	return ourOption().ReplaceAllString(text, "${1}"+s.prefix+"${2}${3}")
}

// parser reads options and collects what is wrong with them.
type parser struct {
	raw    raw
	prefix string
	errs   []error
}

func (p *parser) fail(name, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s%s: %s", p.prefix, name, fmt.Sprintf(format, args...)))
}

// number is an option's, from least to most; why says more where it is none of these.
func (p *parser) number(name string, least, most uint64, why ...string) uint32 {
	n, err := strconv.ParseUint(p.raw[name], 10, 64)
	if err != nil || n < least || n > most {
		p.fail(name, "must be a whole number from %d to %d, is %q%s", least, most, p.raw[name], strings.Join(why, ""))
		return 0
	}
	return uint32(n) //nolint:gosec // most is at most 2^32-1
}

// mostLeastDelay is the greatest to_self_delay that may be demanded: rust-teos's client
// says 42 of every channel, and never sends again what was refused for that.
const mostLeastDelay = 42

func (p *parser) leastDelay() uint32 {
	return p.number("min-to-self-delay", 0, mostLeastDelay, ": python-teos's client says 20 of every channel and "+
		"rust-teos's 42, and a tower that demands more guards none of them")
}

// network accepts lightningd's names and bitcoind's.
func (p *parser) network() string {
	name := canonical(p.raw["network"])
	if name == "" {
		p.fail("network", "must be bitcoin, testnet, testnet4, signet or regtest, is %q", p.raw["network"])
	}
	return name
}

// canonical returns bitcoind's name of a chain, "" if it is none.
func canonical(network string) string {
	switch network {
	case "bitcoin", "main", "mainnet":
		return "main"
	case "testnet", "test", "testnet3":
		return "test"
	case "testnet4", "signet", "regtest":
		return network
	default:
		return ""
	}
}

// directoryOf names a chain's directory as lightningd does. One chain has one,
// whatever it is called: another would hold another key, hence another tower.
func directoryOf(network string) string {
	switch canonical(network) {
	case "main":
		return "bitcoin"
	case "test":
		return "testnet"
	default:
		return network
	}
}

func (p *parser) bind() string {
	bind := p.raw["api-bind"]
	_, port, err := net.SplitHostPort(bind)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		p.fail("api-bind", "must be an address and a port as in 127.0.0.1:9814, is %q", bind)
	}
	return bind
}

func (p *parser) proxies() []netip.Prefix {
	var list []netip.Prefix
	for text := range strings.SplitSeq(p.raw["api-trusted-proxies"], ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if addr, errAddr := netip.ParseAddr(text); err != nil && errAddr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			p.fail("api-trusted-proxies", "must be addresses or CIDR ranges as in 10.0.0.0/8, has %q", text)
			continue
		}
		list = append(list, prefix)
	}
	return list
}

func (p *parser) codes() teos.Dialect {
	switch p.raw["codes"] {
	case "v1":
		return teos.V1
	case "v2":
		return teos.V2
	}
	p.fail("codes", "must be v1 or v2, is %q", p.raw["codes"])
	return 0
}

func (p *parser) level() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(p.raw["log-level"])); err != nil {
		p.fail("log-level", "must be debug, info, warn or error, is %q", p.raw["log-level"])
	}
	return l
}

// zmq is where bitcoind tells of blocks, "" for nowhere.
func (p *parser) zmq() string {
	addr := p.raw["bitcoind-zmq"]
	if addr == "" {
		return ""
	}
	if bitcoind.CheckZMQ(addr) != nil {
		p.fail("bitcoind-zmq", "must be where bitcoind's zmqpubhashblock is reached, as in tcp://127.0.0.1:28332 "+
			"(an IPv6 address needs a name) or unix:///path, is %.60q", addr)
	}
	return addr
}

// node returns where a bitcoind is, if any option names one.
func (p *parser) node(network string) *bitcoind.Config {
	c := bitcoind.Config{URL: p.raw["bitcoind"], CookieFile: p.raw["bitcoind-cookie"], Network: network}
	if c.URL == "" && c.CookieFile == "" {
		return nil
	}
	if _, err := bitcoind.New(c); err != nil && network != "" {
		p.fail("bitcoind", "%v", err)
	}
	return &c
}
