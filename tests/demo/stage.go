package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stage is the harness.T of the demo: what goes wrong is told, everything that
// was started is stopped, and the exit status says how it went.
type stage struct {
	start time.Time
	ctx   context.Context

	mu       sync.Mutex
	doing    string
	failed   bool
	cleanups []func()
}

// run plays a story to its end and returns the exit status.
func run(play func(*stage)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &stage{start: time.Now(), ctx: ctx}
	s.apart(func() { play(s) })
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		s.apart(last)
	}
	if s.Failed() {
		return 1
	}
	fmt.Println("demo: the breach was answered")
	return 0
}

// apart runs f where Fatalf can end it.
func (s *stage) apart(f func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	<-ended
}

// act names what is being tried, for a failure to tell.
func (s *stage) act(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing = name
}

// say tells a line of the story, with the time since the start.
func (s *stage) say(format string, args ...any) {
	passed := time.Time{}.Add(time.Since(s.start)).Format("04:05.000")
	fmt.Printf("%s  %s\n", passed, fmt.Sprintf(format, args...))
}

func (s *stage) Helper()                  {}
func (s *stage) Context() context.Context { return s.ctx }
func (s *stage) Cleanup(f func())         { s.cleanups = append(s.cleanups, f) }

func (s *stage) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (s *stage) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	fmt.Fprintf(os.Stderr, "demo: failed to %s: %s\n", s.doing, fmt.Sprintf(format, args...))
}

func (s *stage) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

func (s *stage) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}
