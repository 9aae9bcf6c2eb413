package bitcoind

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// The client's share and that of the server, which only copies, are measured
// together.
func BenchmarkBlock(b *testing.B) {
	const size = 4_000_000
	answer := `{"result":"` + strings.Repeat("0f", size) + `","error":null,"id":"vigil"}`
	n := newNode(b, func(w http.ResponseWriter, call string) {
		if strings.HasPrefix(call, "getblockhash") {
			answers{"getblockhash": `"` + strings.Repeat("0", 64) + `"`}.serve(w, call)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(answer))) // as bitcoind does
		_, _ = io.WriteString(w, answer)
	})
	c := newClient(b, n)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		raw, err := c.Block(b.Context(), 1)
		if err != nil || len(raw) != size {
			b.Fatal(len(raw), err)
		}
	}
}
