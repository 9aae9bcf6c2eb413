package towerrpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// local is a connection to a server in the same process. Calls meet the same
// handlers, guard and failures as those from a socket, but nothing is encoded:
// the way over HTTP/2 costs as much CPU as signing a receipt. Both ends share
// the request, which neither changes, and each has its own reply.
type local struct {
	guard   grpc.UnaryServerInterceptor
	methods map[string]localMethod // by full name

	mu      sync.Mutex
	stopped bool
	calls   sync.WaitGroup
	ended   chan struct{} // closed when calls have to end
	workers *workers
}

type localMethod struct {
	service any
	handle  grpc.MethodHandler
}

func newLocal(guard grpc.UnaryServerInterceptor) *local {
	return &local{guard: guard, methods: map[string]localMethod{}, ended: make(chan struct{}), workers: newWorkers()}
}

// RegisterService implements grpc.ServiceRegistrar.
func (l *local) RegisterService(d *grpc.ServiceDesc, service any) {
	for _, m := range d.Methods {
		l.methods["/"+d.ServiceName+"/"+m.MethodName] = localMethod{service, m.Handler}
	}
}

var errStopped = status.Error(codes.Unavailable, "the server is stopping")

// Invoke implements grpc.ClientConnInterface. It returns when ctx ends,
// whatever the handler does: a disk may hang. The request must not be changed
// even then.
func (l *local) Invoke(ctx context.Context, name string, request, reply any, _ ...grpc.CallOption) error {
	m, ok := l.methods[name]
	if !ok {
		return status.Errorf(codes.Unimplemented, "there is no method %s", name)
	}
	if !l.begin() {
		return errStopped
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan result, 1)
	l.workers.run(func() {
		defer l.calls.Done()
		done <- l.call(ctx, m, request)
	})
	select {
	case r := <-done:
		return r.into(reply)
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-l.ended:
		return errStopped
	}
}

func (l *local) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.calls.Add(1)
	}
	return !l.stopped
}

// refuse ends what begin allows.
func (l *local) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
}

// stop lets calls end, until ctx does, and then ends them. It must be called
// once.
func (l *local) stop(ctx context.Context) {
	l.refuse()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.calls.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		close(l.ended)
		<-done
	}
	l.workers.stop()
}

// result is what a handler returned.
type result struct {
	reply any
	err   error
}

// call leaves the message that the generated code would decode into empty, and
// passes the request in its place.
func (l *local) call(ctx context.Context, m localMethod, request any) (r result) {
	pass := func(ctx context.Context, _ any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		return l.guard(ctx, request, info, handle)
	}
	r.reply, r.err = m.handle(m.service, ctx, func(any) error { return nil }, pass)
	return r
}

// into copies a reply of a size that could cross a socket, too.
func (r result) into(reply any) error {
	if r.err != nil {
		return r.err
	}
	from := r.reply.(proto.Message)
	if size := proto.Size(from); size > maxMessage {
		return status.Errorf(codes.ResourceExhausted, "the reply has %d bytes, %d are the most", size, maxMessage)
	}
	proto.Merge(reply.(proto.Message), from)
	return nil
}

// NewStream implements grpc.ClientConnInterface: no method streams.
func (l *local) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no method streams")
}
