package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"vigil/inspector"
	"vigil/internal/operator"
)

// rehearsal is what a self-test of this tower goes through.
func (c *core) rehearsal() operator.Rehearsal {
	r := operator.Rehearsal{TryTurn: c.testing.TryLock, Turn: c.testing.Unlock, Door: c.askAsUser, Chain: c.askChain, Doors: c.lookAtDoors}
	if c.daemon.tryOut != nil {
		r.Mempool = c.daemon.tryOut
	}
	return r
}

// askAsUser hands a request in as users do: by HTTP where the tower listens, else
// by the inner door.
func (c *core) askAsUser(ctx context.Context, endpoint string, body []byte) (answer []byte, way string, err error) {
	if api := c.api.Load(); api != nil && api.Addr() != "" {
		answer, err = post(ctx, "http://"+here(api.Addr())+"/"+endpoint, body)
		return answer, "HTTP at " + api.Addr(), err
	}
	const inner = "the inner door, as the HTTP API does not listen"
	inspect := map[string]inspect{"add_appointment": addAppointment, "get_appointment": getAppointment}[endpoint]
	call, err := inspect(inspector.New(c.daemon.settings.limits), body)
	if err != nil {
		return nil, inner, err
	}
	result, err := call(ctx, c.inner)
	if err != nil {
		return nil, inner, err
	}
	answer, err = json.Marshal(result)
	return answer, inner, err
}

// here is an address that this machine reaches: one that stands for all of its own
// is replaced by the first of them.
func here(listening string) string {
	at, err := netip.ParseAddrPort(listening)
	switch {
	case err != nil || !at.Addr().IsUnspecified():
		return listening
	case at.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(at.Port()))
}

// maxReply bounds what is read of an answer, in bytes: our own blob comes back.
const maxReply = 1 << 20

// post is one request on a connection of its own; anything but success is an error
// with what was said.
func post(ctx context.Context, url string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(answer))
	}
	return answer, err
}

// askChain asks the backends now, whatever the follower saw last.
func (c *core) askChain(ctx context.Context) (height uint32, notice string, err error) {
	d := c.daemon
	tip, err := d.askBackends(ctx)
	if last := c.follower.Status().Err; err == nil && last != nil {
		err = errors.Join(errors.New("it answers now, but the last round failed"), last)
	}
	return tip.Height, d.hearing(), err
}

// hearing says how the tower hears of new blocks at this moment.
func (d *daemon) hearing() string {
	how := fmt.Sprintf("looked for every %d s", d.poll/time.Second)
	if d.inNode {
		how = "told by lightningd, and " + how
	}
	switch {
	case d.zmq != nil && d.zmq.Trouble() == "":
		how = "told by ZMQ, and " + how
	case d.zmq != nil:
		how += fmt.Sprintf("; ZMQ can't be reached (is %s bitcoind's zmqpubhashblock?): %s", d.settings.named("bitcoind-zmq"), d.zmq.Trouble())
	case d.tells != nil && d.tells():
		how = "told by the Bitcoin node, and " + how
	}
	return "new ones are " + how
}
