package harness_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// TestMain lets the stand-in load this test program itself as a plugin.
func TestMain(m *testing.M) {
	if os.Getenv("LIGHTNINGD_PLUGIN") == "1" {
		fakePlugin()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type fakeCall struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

const fakeManifest = `{"options":[{"name":"fake-text","type":"string","default":"none","description":"d"}],
	"rpcmethods":[{"name":"echo","usage":"","description":"d"},{"name":"refuse","usage":"","description":"d"},
	{"name":"options","usage":"","description":"d"},{"name":"heights","usage":"","description":"d"},
	{"name":"twice","usage":"","description":"d"},{"name":"garbage","usage":"","description":"d"},
	{"name":"badlog","usage":"","description":"d"},{"name":"stranger","usage":"","description":"d"},
	{"name":"die","usage":"","description":"d"},{"name":"relay","usage":"","description":"d"}],
	"subscriptions":["shutdown","block_added"],"notifications":[{"method":"fake-news"}],"dynamic":true}`

// fakePlugin answers well, or breaks one rule of the protocol when told so.
func fakePlugin() {
	var init json.RawMessage
	var heights []int
	in := json.NewDecoder(os.Stdin)
	for {
		var call fakeCall
		if in.Decode(&call) != nil {
			return
		}
		switch call.Method {
		case "getmanifest":
			result(call, fakeManifest)
		case "init":
			init = call.Params
			fmt.Print(`{"jsonrpc":"2.0","method":"log","params":{"level":"info","message":"fake is up"}}` + "\n\n")
			result(call, `"ok"`)
		case "block_added":
			var added struct {
				Block struct{ Height int } `json:"block_added"`
			}
			_ = json.Unmarshal(call.Params, &added)
			heights = append(heights, added.Block.Height)
		case "heights":
			b, _ := json.Marshal(heights)
			result(call, string(b))
		case "options":
			result(call, string(init))
		case "shutdown":
			return
		default:
			misbehave(call)
		}
	}
}

func result(call fakeCall, value string) {
	fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n\n", call.ID, value)
}

func misbehave(call fakeCall) {
	switch call.Method {
	case "echo":
		result(call, string(call.Params))
	case "refuse":
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-77,"message":"no","data":{"k":1}}}`+"\n\n", call.ID)
	case "twice":
		result(call, "1")
		result(call, "2")
	case "garbage":
		fmt.Print("stray text\n\n")
	case "badlog":
		fmt.Print(`{"jsonrpc":"2.0","method":"log","params":{"level":"io","message":"m"}}` + "\n\n")
		result(call, "1")
	case "stranger":
		fmt.Print(`{"jsonrpc":"2.0","id":"cln:nobody#1","result":{}}` + "\n\n")
		result(call, "1")
	case "die":
		os.Exit(1)
	case "relay":
		result(call, relay(call.Params))
	}
}

// relay sends its parameters to lightning-rpc and returns the answer.
func relay(request json.RawMessage) string {
	conn, err := net.Dial("unix", "lightning-rpc")
	if err != nil {
		return fmt.Sprintf("%q", err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\n\n", request)
	var answer json.RawMessage
	_ = json.NewDecoder(conn).Decode(&answer)
	return string(answer)
}

// recorder is a T that notes errors instead of failing.
type recorder struct {
	*testing.T
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) noted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.errors...)
}
