package cln

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// The client's share and that of the server, which only copies, are measured
// together.
func BenchmarkBlock(b *testing.B) {
	const size = 4_000_000
	text := strings.Repeat("0f", size)
	c := NewChain(rpcServer(b, func(call rpcCall, conn net.Conn) {
		fmt.Fprintf(conn, `{"jsonrpc":"2.0","id":%s,"result":{"blockhash":"00","block":"`, call.ID)
		_, _ = conn.Write([]byte(text))
		fmt.Fprint(conn, `"}}`+"\n\n")
	}))
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		raw, err := c.Block(b.Context(), 1)
		if err != nil || len(raw) != size {
			b.Fatal(len(raw), err)
		}
	}
}
