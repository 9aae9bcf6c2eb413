package bitcoind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

const (
	// awaitFor is how long bitcoind is asked to wait for a block. It goes on waiting
	// when the call is cut off, and so keeps a thread.
	awaitFor = 5 * time.Second
	// awaitPause is between two questions where there was no block meanwhile, should
	// the node not wait; blockPause is where there was one: a node that is catching up
	// has hundreds a second.
	awaitPause = time.Second
	blockPause = 50 * time.Millisecond
	// Waits after a failure begin with minWait and double: up to returnWait where the
	// node may come back, to refusedWait where it answers, but does not tell.
	returnWait  = 5 * time.Second
	refusedWait = time.Hour
	// probeFor is how long a call waits that only tells whether the node answers others
	// meanwhile.
	probeFor = time.Second
	// maxNotice bounds a message of btcd's, in bytes.
	maxNotice = 64 << 10
)

// Await calls wake at each block that the node tells of by RPC, without anything
// to configure: bitcoind answers waitforblockheight once it has the block, and btcd
// notifies over a WebSocket. It asks again until ctx ends, and returns then. wake must
// not block. At bitcoind it takes one of the threads that answer calls (rpcthreads),
// but not the only one.
//
// As with Hints, nothing is to depend on it: the caller polls as well.
func (c *Client) Await(ctx context.Context, log *slog.Logger, wake func()) {
	last := ""
	for wait := minWait; ctx.Err() == nil; {
		told, err := c.await(ctx, wake)
		if hasCode(err, codeNoMethod) {
			told, err = c.subscribe(ctx, wake)
		}
		c.tells.Store(false)
		if ctx.Err() != nil {
			return
		}
		if told {
			wait = minWait
		}
		if errors.Is(err, errNoRoom) {
			wait = refusedWait
		}
		level, most, reason := slog.LevelDebug, returnWait, clip(err.Error(), maxErrorText)
		if refused(err) {
			most = refusedWait
			if reason != last {
				level = slog.LevelInfo
			}
		}
		log.Log(ctx, level, "the Bitcoin node does not tell of new blocks, polling goes on", "error", reason, "retry_in", wait)
		last = reason
		pause(ctx, wait)
		wait = min(2*wait, most)
	}
}

// refused tells whether the node is there and answers, but not what it was asked.
func refused(err error) bool {
	var e *RPCError
	return errors.As(err, &e) && e.Code != codeWarmUp || errors.Is(err, errNoRoom) ||
		errors.Is(err, ErrBadAnswer) || errors.Is(err, ErrUnauthorized)
}

// Tells says whether the node tells Await of its blocks at this moment.
func (c *Client) Tells() bool { return c.tells.Load() }

// await asks bitcoind for one height after the other, until that fails; told says
// whether it worked for more than a moment.
func (c *Client) await(ctx context.Context, wake func()) (told bool, err error) {
	tip, err := c.waitFor(ctx, 0, probeFor) // it has that one
	if err != nil {
		return false, err
	}
	wake()
	for room := false; ; {
		began := time.Now()
		var next uint32
		if room {
			next, err = c.waitFor(ctx, tip+1, awaitFor)
		} else {
			next, room, err = c.probe(ctx, tip+1)
		}
		if err != nil {
			return told, err
		}
		told = told || c.tells.Swap(room)
		switch {
		case next != tip: // also where the chain is shorter now
			tip = next
			wake()
			pause(ctx, blockPause)
		case !room:
			return told, errNoRoom
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
// comes leaves that open, and is told of at once.
func (c *Client) probe(ctx context.Context, height uint32) (tip uint32, room bool, err error) {
	asking, stop := context.WithCancel(ctx)
	var took time.Duration
	var errOther error
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		took, errOther = c.other(asking)
	}()
	tip, err = c.waitFor(ctx, height, probeFor)
	if err == nil && tip < height {
		<-asked
		err = errOther
	}
	stop()
	<-asked
	return tip, tip < height && took < probeFor/2, err
}

// other is how long bitcoind takes for another call, a moment after the one that waits.
func (c *Client) other(ctx context.Context) (took time.Duration, err error) {
	pause(ctx, probeFor/10)
	asked := time.Now()
	_, err = c.chainInfo(ctx)
	return time.Since(asked), err
}

// subscribe listens to btcd until that fails; told says whether it ever worked.
func (c *Client) subscribe(ctx context.Context, wake func()) (told bool, err error) {
	conn, err := c.dialWebSocket(ctx)
	if err != nil {
		return false, fmt.Errorf("subscribe to blocks: %w", err)
	}
	defer conn.CloseNow() //nolint:errcheck // nothing is lost
	conn.SetReadLimit(maxNotice)
	const ask = `{"jsonrpc":"1.0","id":"vigil","method":"notifyblocks","params":[]}`
	if err := conn.Write(ctx, websocket.MessageText, []byte(ask)); err != nil {
		return false, fmt.Errorf("subscribe to blocks: %w", err)
	}
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return told, fmt.Errorf("subscribed to blocks: %w", err)
		}
		var answer response // or a notification, which has no error
		if err := json.Unmarshal(message, &answer); err == nil && answer.Error != nil {
			answer.Error.Message = clip(answer.Error.Message, maxErrorText)
			return told, fmt.Errorf("subscribe to blocks: %w", answer.Error)
		}
		told = true
		c.tells.Store(true)
		wake()
		pause(ctx, blockPause)
	}
}

func (c *Client) dialWebSocket(ctx context.Context) (*websocket.Conn, error) {
	login, err := c.credentials.current()
	if err != nil {
		return nil, err
	}
	where, err := url.JoinPath(c.endpoint, "ws")
	if err != nil {
		return nil, err
	}
	request := http.Request{Header: http.Header{}}
	request.SetBasicAuth(login.user, login.password)
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, where, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: request.Header}) //nolint:bodyclose // it needs no closing
	if answer != nil && answer.StatusCode == http.StatusUnauthorized {
		c.credentials.renewed(login)
		err = ErrUnauthorized
	}
	return conn, err
}
