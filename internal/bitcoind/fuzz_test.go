package bitcoind

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// FuzzClient: whatever a node answers to any call, what is taken from it is
// whole, and an error fits into a log.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{
		`{"result":{"chain":"regtest","blocks":1,"pruned":true,"pruneheight":0},"error":null,"id":"vigil"}`,
		`{"result":"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206","error":null}`,
		`{"result":"00ff","error":null}`, `{"result":"","error":null}`, `{"result":{"blocks":-1,"chain":"main"}}`,
		`{"result":null,"error":{"code":-1,"message":"Block not available (pruned data)"}}`,
		`{"result":null,"error":{"code":-22,"message":"\u0000TX decode failed"}}`, `[]`, `{`, ``,
	} {
		f.Add(seed, uint16(200))
		f.Add(seed, uint16(500))
	}
	var body atomic.Pointer[string]
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte(*body.Load()))
	}))
	f.Cleanup(server.Close)
	client, err := New(Config{URL: strings.Replace(server.URL, "://", "://user:secret@", 1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	f.Fuzz(func(t *testing.T, text string, code uint16) {
		body.Store(&text)
		status.Store(200 + int64(code)%400)
		tip, errTip := client.Tip(t.Context())
		block, errBlock := client.Block(t.Context(), 1)
		_, errHash := client.BlockHash(t.Context(), 1)
		errPublish := client.Publish(t.Context(), []byte{1})
		if errTip == nil && tip.Network == "" {
			t.Fatalf("took %q as a tip", text)
		}
		if errBlock == nil && (len(block) == 0 || 2*len(block) > len(text)) {
			t.Fatalf("block %x is not in %q", block, text)
		}
		for _, err := range []error{errTip, errBlock, errHash, errPublish} {
			if err != nil && len(err.Error()) > 4*maxErrorText {
				t.Fatalf("an error of %d bytes: %v", len(err.Error()), err)
			}
		}
	})
}
