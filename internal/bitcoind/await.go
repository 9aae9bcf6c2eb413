package bitcoind

import (
	"context"
	"errors"
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
	// probeFor is how long a call waits that only tells whether the node answers others
	// meanwhile; where it does not, it is asked again after noRoomPause.
	probeFor    = time.Second
	noRoomPause = time.Hour
)

// Await calls wake at each block that the node tells of by RPC, without anything
// to configure: bitcoind answers waitforblockheight once it has the block, and btcd
// notifies over a WebSocket. It asks again until ctx ends, and returns then. wake must
// not block. At bitcoind it takes one of the threads that answer calls (rpcthreads),
// but not the only one.
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
		level := slog.LevelDebug
		switch told := c.tells.Swap(false); {
		case errors.Is(err, errNoRoom):
			level, wait = slog.LevelInfo, noRoomPause
		case told:
			wait = minWait
		}
		log.Log(ctx, level, "the node does not tell of new blocks, polling goes on", "error", clip(err.Error(), maxErrorText), "retry_in", wait)
		pause(ctx, wait)
	}
}

// Tells says whether the node tells Await of its blocks at this moment.
func (c *Client) Tells() bool { return c.tells.Load() }

// await asks bitcoind for one height after the other, until that fails.
func (c *Client) await(ctx context.Context, wake func()) error {
	tip, err := c.waitFor(ctx, 0, probeFor) // it has that one
	if err != nil {
		return err
	}
	wake()
	for room := false; ; {
		began, next := time.Now(), uint32(0)
		if room {
			next, err = c.waitFor(ctx, tip+1, awaitFor)
		} else {
			next, room, err = c.probe(ctx, tip+1)
		}
		if err != nil {
			return err
		}
		c.tells.Store(room)
		switch {
		case next != tip: // also where the chain is shorter now
			tip = next
			wake()
			pause(ctx, blockPause)
		case !room:
			return errNoRoom
		default:
			pause(ctx, awaitPause-time.Since(began))
		}
	}
}

// waitFor returns the height of bitcoind's best block once that is as high as asked
// for, or when so much time has passed.
func (c *Client) waitFor(ctx context.Context, height uint32, most time.Duration) (tip uint32, err error) {
	const method = "waitforblockheight"
	var answer struct {
		Height *uint32 `json:"height"`
	}
	if err := c.call(ctx, &answer, method, height, most.Milliseconds()); err != nil {
		return 0, err
	}
	if answer.Height == nil {
		return 0, fmt.Errorf("%s: %w: no height in it", method, ErrBadAnswer)
	}
	return *answer.Height, nil
}

// errNoRoom says that bitcoind would answer nobody while it waits.
var errNoRoom = errors.New("it answers nothing else while a call waits: start it with rpcthreads=4, or name its zmqpubhashblock (bitcoind-zmq)")

// probe is a short waitFor that also tells whether bitcoind answers others meanwhile:
// it does not where a single thread answers calls, and would be taken. A block that
// comes leaves that open.
func (c *Client) probe(ctx context.Context, height uint32) (tip uint32, room bool, err error) {
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		tip, err = c.waitFor(ctx, height, probeFor)
	}()
	pause(ctx, probeFor/10)
	asked := time.Now()
	_, errOther := c.chainInfo(ctx)
	took := time.Since(asked)
	<-waited
	return tip, tip < height && took < probeFor/2, errors.Join(err, errOther)
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
