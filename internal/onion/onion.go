// Package onion offers a TCP port of this tower as a v3 onion service, through
// the control port of a Tor that runs anywhere. The key is the tower's and
// stays with it, so the address never changes.
//
// The service is not detached: it ends with the connection to the control
// port. So a tower that is gone leaves no address that leads to whatever takes
// its port next, and a Tor that started again, which knows nothing of the
// service, shows itself by a connection that broke.
package onion

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config is what to offer.
type Config struct {
	// Control is the control port: host:port, or the path of a Unix socket.
	Control string
	// Password is that of the control port, where it wants one.
	Password string
	// KeyFile holds the service's key. It is made where there is none.
	KeyFile string
	// Port is the one that clients connect to.
	Port uint16
	// Target returns where Tor shall connect to, host:port, "" while that is
	// not known.
	Target func() string
	Log    *slog.Logger
}

// timing is every time that the service waits for.
type timing struct {
	command time.Duration // an answer of the control port
	check   time.Duration // between two looks whether the service is there
	retry   time.Duration // the first time after a failure; it doubles
	most    time.Duration // up to this
}

var standardTiming = timing{
	command: 15 * time.Second, check: 30 * time.Second, retry: time.Second, most: time.Minute,
}

// Service is an onion service. Run does its work.
type Service struct {
	config Config
	timing timing

	mu     sync.Mutex
	status Status
}

// Status is how the service is.
type Status struct {
	// Address is host:port as clients connect to it; "" where there is no key.
	Address string
	// Err says why the service is not offered now, and what to do; nil while
	// it is.
	Err error
}

// errStarting is what holds before the first try ended.
var errStarting = errors.New("it is starting")

// New returns a service.
func New(c Config) *Service { return newService(c, standardTiming) }

func newService(c Config, t timing) *Service {
	return &Service{config: c, timing: t, status: Status{Err: errStarting}}
}

// Status returns how the service is.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Service) note(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// Run offers the service until ctx ends, again whenever it is lost. Nothing
// that fails ends it.
func (s *Service) Run(ctx context.Context) {
	wait := s.timing.retry
	for told := ""; ctx.Err() == nil; wait = min(2*wait, s.timing.most) {
		err := s.offer(ctx, func() { wait, told = s.timing.retry, "" })
		if ctx.Err() != nil {
			break
		}
		s.note(func(st *Status) { st.Err = err })
		if text := err.Error(); text != told {
			s.config.Log.Warn("the onion service is not offered; trying again", "err", err)
			told = text
		}
		pause(ctx, wait)
	}
	s.note(func(st *Status) { st.Err = errors.New("it has stopped") })
}

// offer offers the service and returns when it is lost, or ctx ends.
func (s *Service) offer(ctx context.Context, offered func()) error {
	k, err := loadKey(s.config.KeyFile)
	if err != nil {
		return fmt.Errorf("the onion service's key: %w", err)
	}
	id, err := k.id()
	if err != nil {
		return fmt.Errorf("the onion service's key: %w", err)
	}
	address := net.JoinHostPort(id+".onion", strconv.Itoa(int(s.config.Port)))
	s.note(func(st *Status) { st.Address = address })
	target := s.config.Target()
	if target == "" {
		return errors.New("the API does not listen yet")
	}
	c, err := dial(ctx, s.config.Control, s.timing.command)
	if err != nil {
		return fmt.Errorf("reach Tor's control port: %w: is Tor running, and is ControlPort set in its torrc?", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })() // and with it the service ends
	if err := s.add(c, k, id, target); err != nil {
		return err
	}
	offered()
	s.note(func(st *Status) { st.Err = nil })
	s.config.Log.Info("the API is offered as an onion service", "address", address, "target", target)
	return s.watch(ctx, c, id)
}

var errTaken = errors.New("this tower's onion service is offered already: does another program, torrc or an older connection use its key?")

func (s *Service) add(c *control, k key, id, target string) error {
	if err := c.login(s.config.Password); err != nil {
		return err
	}
	lines, err := c.ask(fmt.Sprintf("ADD_ONION %s Port=%d,%s", k, s.config.Port, target))
	if r := (*refusal)(nil); errors.As(err, &r) && strings.Contains(r.text, "collision") {
		return errTaken
	}
	if err != nil {
		return fmt.Errorf("offer the onion service: %w", err)
	}
	if !slices.Contains(lines, "ServiceID="+id) {
		return fmt.Errorf("offer the onion service: %w", errReply)
	}
	return nil
}

var errLost = errors.New("tor does not know the onion service any more")

// watch returns when the service is lost. It asks now and then, since a
// connection whose other end vanished stays silent.
func (s *Service) watch(ctx context.Context, c *control, id string) error {
	for {
		if err := c.idle(ctx, s.timing.check); err != nil {
			return fmt.Errorf("the connection to Tor's control port is lost: %w", err)
		}
		lines, err := c.ask("GETINFO onions/current")
		if err != nil {
			return fmt.Errorf("the connection to Tor's control port is lost: %w", err)
		}
		if !strings.Contains(strings.Join(lines, "\n"), id) {
			return errLost
		}
	}
}

// idle waits. It ends early, with an error, if the connection ends.
func (c *control) idle(ctx context.Context, d time.Duration) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := c.in.Peek(1)
	if timeout := (net.Error)(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
