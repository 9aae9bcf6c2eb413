package cln

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elementsproject/glightning/glightning"
)

const (
	maxRequest = 4 << 20  // bytes of one message of lightningd
	maxResult  = 64 << 20 // bytes of one answer, as glightning writes it
)

// guard stands between lightningd's pipes and glightning: see the package's
// comment.
type guard struct {
	plugin *Plugin
	log    *slog.Logger
	queue  *outbox
	limits limits

	ctx    context.Context // of every handler
	cancel context.CancelFunc

	lib        *glightning.Plugin
	libIn      *os.File      // our end: requests to glightning
	libOut     *os.File      // glightning's end: its answers
	libStarted chan struct{} // glightning answered the first request
	libEnded   sync.WaitGroup

	initStarted  atomic.Bool
	ready        atomic.Bool // init was accepted
	shutdown     chan struct{}
	shutdownOnce sync.Once

	slots chan struct{} // one for each call that glightning has
	mu    sync.Mutex
	// calls have no answer yet; by the number that stands for their id.
	calls    map[int64]call
	last     int64
	stopping bool
}

type call struct {
	id     []byte
	method string
	late   *time.Timer // answers for a handler that ignores its ctx
}

func newGuard(p *Plugin) *guard {
	l := p.limits.orDefault()
	g := &guard{
		plugin:     p,
		log:        slog.New(p.LogHandler()),
		queue:      p.outbox(),
		limits:     l,
		lib:        glightning.NewPlugin(func(*glightning.Plugin, map[string]glightning.Option, *glightning.Config) {}),
		libStarted: make(chan struct{}),
		shutdown:   make(chan struct{}),
		slots:      make(chan struct{}, l.calls),
		calls:      map[int64]call{},
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// read takes messages from stdin until it ends.
func (g *guard) read(in io.Reader) error {
	r := newFrameReader(in, maxRequest)
	for {
		f, err := r.next()
		switch {
		case err == nil:
			g.accept(f)
		case errors.Is(err, errGarbage):
			g.log.Warn("stdin: " + err.Error())
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			g.log.Warn("stdin ended inside a message")
			return nil
		default:
			return err
		}
	}
}

func (g *guard) accept(f frame) {
	m, fault := parseMessage(f)
	switch {
	case m.id == nil && fault != nil:
		g.log.Warn("a notification cannot be used", "topic", cut(m.method, 64), "error", fault)
	case m.id == nil:
		g.notified(m)
	case fault != nil:
		g.refuse(m, fault)
	case !g.ready.Load() && m.method != "getmanifest" && m.method != "init":
		g.refuse(m, errEarly)
	default:
		g.dispatch(m)
	}
}

func (g *guard) refuse(m message, fault *Error) {
	g.queue.answer(answer(m.id, g.failure(m.method, fault)))
}

// dispatch hands a request to glightning, which gives back its slot when its
// answer comes.
func (g *guard) dispatch(m message) {
	n, ok := g.enter(m)
	if !ok {
		g.refuse(m, errStopping)
		return
	}
	select {
	case g.slots <- struct{}{}:
	default:
		g.settle(n, g.failure(m.method, errBusy))
		return
	}
	if err := g.hand(n, m); err != nil {
		<-g.slots
		g.settle(n, g.failure(m.method, err))
	}
}

// enter notes a call and returns the number that stands for its id.
func (g *guard) enter(m message) (n int64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return 0, false
	}
	g.last++
	n = g.last
	late := time.AfterFunc(g.limits.deadline+g.limits.grace, func() {
		g.settle(n, g.failure(m.method, context.DeadlineExceeded))
	})
	g.calls[n] = call{m.id, m.method, late}
	return n, true
}

// settle answers a call, unless it has its answer already.
func (g *guard) settle(n int64, body []byte) {
	if c, open := g.leave(n); open {
		g.queue.answer(answer(c.id, body))
	}
}

// leave takes a call out; whoever gets it has to answer it.
func (g *guard) leave(n int64) (c call, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, open = g.calls[n]; open {
		c.late.Stop()
		delete(g.calls, n)
	}
	return c, open
}
