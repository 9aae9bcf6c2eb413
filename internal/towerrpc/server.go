package towerrpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/towerpb"
)

// callTimeout bounds a call whose client set no deadline.
const callTimeout = 30 * time.Second

// How much of a panic is logged, in bytes: of what it says and of its stack.
const (
	maxPanic = 1024
	maxStack = 4096
)

// Core is what the server serves. *tower.Tower and what knows its state.
type Core interface {
	Register(ctx context.Context, r inspector.Register) (tower.Registration, error)
	AddAppointment(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error)
	GetAppointment(ctx context.Context, r inspector.GetAppointment) (tower.Watched, error)
	DeleteAppointment(ctx context.Context, r inspector.DeleteAppointment) (tower.Deletion, error)
	GetSubscriptionInfo(ctx context.Context, r inspector.GetSubscriptionInfo) (tower.Subscription, error)
	Dialect(ctx context.Context, user teos.UserID) (teos.Dialect, error)
	Ready(ctx context.Context, write bool) error
}

// Desk answers the operator: see internal/operator.
type Desk interface {
	Ask(ctx context.Context, method string, params []byte) (document []byte, err error)
}

// Server is the core's end.
type Server struct {
	grpc  *grpc.Server
	local *local
	log   *slog.Logger
	// onCall is told of calls from the socket; nil for nobody.
	onCall func(method string, err error, took time.Duration)
}

// NewServer returns a server of a core, and of a desk for the operator if there is
// one; Serve does its work.
func NewServer(core Core, desk Desk, check *inspector.Inspector, log *slog.Logger) *Server {
	s := &Server{log: log}
	s.grpc = grpc.NewServer(grpc.ChainUnaryInterceptor(s.observe, s.guard),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
	s.local = newLocal(s.guard)
	for _, door := range []grpc.ServiceRegistrar{s.grpc, s.local} {
		towerpb.RegisterTowerServiceServer(door, &towerService{core: core, check: check})
		if desk != nil {
			towerpb.RegisterAdminServiceServer(door, &adminService{desk: desk})
		}
	}
	return s
}

// Client returns a client in the same process. It works until Stop, whether or
// not there is a socket; to close it does nothing.
func (s *Server) Client() *Client { return newClient(s.local, func() error { return nil }) }

// Serve serves until Stop, which may come first; it closes the listener.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(l)
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Stop lets calls end, until ctx does, and then ends them. It is called once.
func (s *Server) Stop(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	s.local.stop(ctx)
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

// OnCall sets what is told of each call from the socket that has ended: the name
// of the operator's method, else that of the call, which may be any text. It must
// not block. Not safe once Serve was called.
func (s *Server) OnCall(f func(method string, err error, took time.Duration)) { s.onCall = f }

func (s *Server) observe(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	began := time.Now()
	resp, err := handle(ctx, req)
	if s.onCall != nil {
		method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
		if ask, ok := req.(*towerpb.AskRequest); ok {
			method = ask.GetMethod()
		}
		s.onCall(method, fromStatus(err), time.Since(began))
	}
	return resp, err
}

// guard stands around every call: a deadline, the translation of errors, and
// no panic beyond this line.
func (s *Server) guard(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("a defect of ours stopped a call", "method", info.FullMethod,
				"panic", cut(fmt.Sprint(r), maxPanic), "stack", cut(string(debug.Stack()), maxStack))
			resp, err = nil, toStatus(errPanic)
		}
	}()
	resp, err = handle(ctx, req)
	if err != nil && teos.AsError(err).Cause == teos.Internal && ctx.Err() == nil {
		s.log.Log(ctx, levelOf(info.FullMethod), "a call failed", "method", info.FullMethod, "err", err)
	}
	return resp, toStatus(err)
}

// errPanic has no cause: it leaves as a defect of ours.
var errPanic = errors.New("panic")

func cut(s string, n int) string { return s[:min(len(s), n)] }

// levelOf keeps a probe that fails every second, for as long as a disk is
// full, out of the log: whoever probes says what it means.
func levelOf(method string) slog.Level {
	if method == towerpb.TowerService_Ping_FullMethodName {
		return slog.LevelDebug
	}
	return slog.LevelError
}
