package cln

import (
	"strings"
	"testing"
)

// TestOfBitcoinCLIItIsToldWhatItSaid: lightningd's plugin for bitcoind puts its whole
// command line before that, which is long and has no news.
func TestOfBitcoinCLIItIsToldWhatItSaid(t *testing.T) {
	const line = "/opt/my tools/bitcoin-cli -regtest -datadir=/home/user/with: colon -rpcclienttimeout=60 -rpcport=18443 -rpcuser=... -stdinrpcpass getblockchaininfo"
	for message, want := range map[string]string{
		line + ": command failed (error: Could not connect to the server 127.0.0.1:18443 (error code 1 - \"EOF reached\")\n\nMake sure the bitcoind server is running.\nUse \"bitcoin-cli -help\" for more info.\n)": `bitcoin-cli: command failed: error: Could not connect to the server 127.0.0.1:18443 (error code 1 - "EOF reached")`,
		line + ": command failed (error code: -28\nerror message:\nLoading block index…\n)":                                                                                                                          "bitcoin-cli: command failed: error code: -28 error message: Loading block index…",
		line + ": command failed ()": "bitcoin-cli: command failed",
		line + ": bad JSON: Parsing '{chain:%': no member chain ({\n  \"a\": (1)\n})": `bitcoin-cli: bad JSON: Parsing '{chain:%': no member chain: { "a": (1) }`,
		line + ": command failed (" + strings.Repeat("x", 1<<20):                      "bitcoin-cli: command failed: xxx",
		"Unknown command 'x' (it failed)":                                             "Unknown command 'x' (it failed)",
		"a\x1b[31m":                                                                   `a\x1b[31m`,
	} {
		got := (&RPCError{Code: 500, Message: message}).Error()
		if !strings.HasPrefix(got, "lightningd: "+want) || !strings.HasSuffix(got, " (code 500)") || strings.Contains(got, `\n`) || len(got) > 600 {
			t.Errorf("%.200q: %q", message, got)
		}
	}
}
