package bitcoind

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/websocket"
)

const (
	codeNoMethod = -32601 // JSON-RPC: no such method
	// awaitFor is how long the node is asked to wait for a block. It must be shorter
	// than callTimeout, and than what keeps proxies from cutting a silent connection.
	awaitFor = 20 * time.Second
	// awaitPause is between two questions where there was no block meanwhile, should
	// the node not wait; blockPause is where there was one: a node that is catching up
	// has hundreds a second.
	awaitPause = time.Second
	blockPause = 50 * time.Millisecond
	// maxNotice bounds a message of btcd's, in bytes.
	maxNotice = 64 << 10
)

// Await calls wake at each block that the node tells of by RPC, without anything
// to configure: bitcoind answers waitforblockheight once it has the block, and btcd
// notifies over a WebSocket. It asks again until ctx ends, and returns then. wake must
// not block. At bitcoind it takes one of the threads that answer calls (rpcthreads).
//
// As with Hints, nothing is to depend on it: the caller polls as well.
func (c *Client) Await(ctx context.Context, log *slog.Logger, wake func()) {
	for wait := minWait; ctx.Err() == nil; wait = min(2*wait, maxWait) {
		err := c.await(ctx, wake)
		if hasCode(err, codeNoMethod) {
			err = c.subscribe(ctx, wake)
		}
		if ctx.Err() != nil {
			return
		}
		if c.tells.Swap(false) {
			wait = minWait
		}
		log.Debug("the node does not tell of new blocks, polling goes on", "error", clip(err.Error(), maxErrorText), "retry_in", wait)
		pause(ctx, wait)
	}
}

// Tells says whether the node tells Await of its blocks at this moment.
func (c *Client) Tells() bool { return c.tells.Load() }

// await asks bitcoind for one height after the other, until that fails.
func (c *Client) await(ctx context.Context, wake func()) error {
	const method = "waitforblockheight"
	for next := uint32(0); ; {
		began := time.Now()
		var tip struct {
			Height *uint32 `json:"height"`
		}
		if err := c.call(ctx, &tip, method, next, awaitFor.Milliseconds()); err != nil {
			return err
		}
		if tip.Height == nil {
			return fmt.Errorf("%s: %w: no height in it", method, ErrBadAnswer)
		}
		c.tells.Store(true)
		if *tip.Height+1 == next { // it waited in vain
			pause(ctx, awaitPause-time.Since(began))
			continue
		}
		next = *tip.Height + 1 // also where the chain is shorter now
		wake()
		pause(ctx, blockPause)
	}
}

// subscribe listens to btcd until that fails.
func (c *Client) subscribe(ctx context.Context, wake func()) error {
	conn, err := c.dialWebSocket(ctx)
	if err != nil {
		return fmt.Errorf("subscribe to blocks: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.MaxPayloadBytes = maxNotice
	if _, err := conn.Write([]byte(`{"jsonrpc":"1.0","id":"vigil","method":"notifyblocks","params":[]}`)); err != nil {
		return err
	}
	for {
		// What it says is not read. After a refusal no other comes.
		var message []byte
		if err := websocket.Message.Receive(conn, &message); err != nil {
			return fmt.Errorf("subscribed to blocks: %w", err)
		}
		c.tells.Store(true)
		wake()
	}
}

func (c *Client) dialWebSocket(ctx context.Context) (*websocket.Conn, error) {
	login, err := c.credentials.current()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(c.endpoint)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Path = strings.Replace(u.Scheme, "http", "ws", 1), "/ws"
	config, err := websocket.NewConfig(u.String(), c.endpoint)
	if err != nil {
		return nil, err
	}
	request := http.Request{Header: config.Header}
	request.SetBasicAuth(login.user, login.password)
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return config.DialContext(ctx)
}
