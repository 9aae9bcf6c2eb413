package main

// option is one setting, defined once: `vigil tower` takes it as a flag --name,
// lightningd as an option vigil-name. None is required: an option that is left
// behind in a configuration file must not be what stops a node.
type option struct {
	name string
	// fallback is the default as text, "" for none.
	fallback string
	number   bool
	// toggle says that the shell takes it without a value, too: "true" then.
	toggle bool
	help   string
	// values are all that it may be, where these are few words; file says that
	// it is the name of a file or a directory. Shells complete them.
	values []string
	file   bool
	// filled says that it must not be given empty: a variable that is not set
	// must not pass for an option that was left out.
	filled bool
	// only is where the option is offered: "" for everywhere.
	only door
}

type door string

const (
	inNode     door = "node"
	standalone door = "standalone"
)

var options = []option{
	{name: "network", fallback: "bitcoin", only: standalone, values: []string{"bitcoin", "testnet", "testnet4", "signet", "regtest"},
		help: "The chain: bitcoin, testnet, testnet4, signet or regtest."},
	{name: "data-dir", file: true,
		help: "Directory for the tower's data. Default: vigil in lightningd's network directory, or ~/.vigil/NETWORK for `vigil tower`."},
	{name: "api-bind", fallback: "127.0.0.1:9814",
		help: "Address and port of the HTTP API that remote nodes use. 0.0.0.0:9814 opens it to the network."},
	{name: "api-trusted-proxies",
		help: "Addresses of your own reverse proxies, as CIDR ranges separated by commas. Only they may say whom they speak for."},
	{name: "bitcoind",
		help: "URL of a bitcoind or btcd, http://[user:password@]host[:port], with / in a password as %2F and the like. Default for `vigil tower`: this machine's; in a node, lightningd's own backend is used alone."},
	{name: "bitcoind-cookie", file: true,
		help: "File with bitcoind's credentials. Default: the network's below ~/.bitcoin."},
	{name: "bitcoind-zmq",
		help: "Where bitcoind publishes new blocks (zmqpubhashblock), tcp://host:port. Default: a call waits for them."},
	{name: "subscription-slots", fallback: "10000", number: true,
		help: "Slots that a registration adds. One appointment takes one for each started 2,048 bytes."},
	{name: "subscription-duration", fallback: "4320", number: true,
		help: "Blocks that a registration adds. 4320 are about 30 days."},
	{name: "expiry-grace", fallback: "6", number: true,
		help: "Blocks after the end of a subscription for which its appointments are still watched."},
	{name: "min-to-self-delay", fallback: "20", number: true,
		help: "Least to_self_delay of an appointment, in blocks, up to 42. rust-teos's client says 42 of every channel and python-teos's 20: more than that shuts it out."},
	{name: "recent-blocks", fallback: "144", number: true,
		help: "Blocks for which an appointment may come after its dispute and is still answered."},
	{name: "max-blob-size", fallback: "65536", number: true,
		help: "Greatest encrypted blob of an appointment, in bytes."},
	{name: "access", values: []string{"open", "invited"}, help: "Who may register: open (anybody), or invited (with an invitation, or a key that you allowed). Default: open where the API can be reached from this machine only, else invited."},
	{name: "max-users", fallback: "0", number: true,
		help: "Most users that the tower takes; 0 for no limit."},
	{name: "max-user-slots", fallback: "0", number: true,
		help: "Most slots that one user may hold, filled ones included; 0 for no limit."},
	{name: "max-subscription", fallback: "105120", number: true,
		help: "Most blocks from now that a subscription may last. 105120 are about two years."},
	{name: "max-storage", fallback: "0", number: true,
		help: "Most megabytes of encrypted blobs that the tower stores; 0 for as much as the disk has."},
	{name: "max-user-storage", fallback: "0", number: true,
		help: "Most megabytes of encrypted blobs of one user; 0 for no limit but its slots."},
	{name: "public-address",
		help: "Names or addresses by which others reach the API, host:port, separated by commas: vigil-info prints with them what users type. https:// before one says that it speaks TLS."},
	{name: "tls-bind",
		help: "Address and port on which the API is served over TLS, too. Needs tls-cert and tls-key, or tls-acme."},
	{name: "tls-cert", file: true, help: "File with the certificate chain, PEM. It is read again when it changes."},
	{name: "tls-key", file: true, help: "File with the certificate's key, PEM."},
	{name: "tls-acme",
		help: "Public names, separated by commas, for which a certificate is got and renewed by ACME. tls-bind must be what port 443 of the name leads to."},
	{name: "tls-acme-directory",
		help: "Directory URL of the ACME authority. Default: Let's Encrypt's; tls-acme accepts the authority's terms."},
	{name: "tor-control",
		help: "Tor's control port, host:port or a socket's path: the API is then offered as an onion service, too."},
	{name: "tor-password", help: "Password of the control port. Default: its cookie, or none."},
	{name: "tor-target",
		help: "Where Tor reaches the API, host:port. Default: where the API listens; needed if Tor runs on another machine."},
	{name: "admin-bind", fallback: "127.0.0.1:9816",
		help: "Address of the status page, /metrics, /healthz and /readyz; off for none. Whoever reaches it can read all of it, and change nothing: keep it to yourself."},
	{name: "admin-host",
		help: "Names, separated by commas, by which browsers and Prometheus may ask the admin address. IP addresses and localhost need not be named."},
	{name: "disk-reserve", fallback: "64", number: true,
		help: "Megabytes of disk that are kept free for blocks and breaches: when the disk is full, new appointments are refused first."},
	{name: "codes", fallback: "v2", values: []string{"v1", "v2"},
		help: "Dialect of error codes for requests of no known user: v1 (python-teos) or v2 (rust-teos)."},
	{name: "log-level", fallback: "info", values: []string{"debug", "info", "warn", "error"},
		help: "Least level that is logged: debug, info, warn or error."},
}

// offered returns the options that a door offers.
func offered(d door) []option {
	var list []option
	for _, o := range options {
		if o.only == "" || o.only == d {
			list = append(list, o)
		}
	}
	return list
}

// raw holds options as they were given, by name; what was not given is absent
// or has its default.
type raw map[string]string

// defaults returns what holds where nothing is given.
func defaults() raw {
	r := raw{}
	for _, o := range options {
		r[o.name] = o.fallback
	}
	return r
}
