// Command browser opens a web page in a real headless Chromium and does with it what
// it is told: one JSON command a line on standard input, one JSON answer a line on
// standard output. It is a module of its own: only tests need a browser.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds one command.
const patience = 60 * time.Second

// command is what to do: whichever is set, in this order.
type command struct {
	// Width and Height are the window's, in CSS pixels; Dark is the colour scheme
	// that the user prefers.
	Width, Height int64
	Dark          bool
	// Open is a URL to go to.
	Open string
	// Until is an expression in JavaScript that is waited for to be true.
	Until string
	// Eval is one whose value is the answer, in JSON.
	Eval string
	// Shot is a file for a picture of the whole page.
	Shot string
}

type answer struct {
	Value json.RawMessage `json:",omitempty"`
	Err   string          `json:",omitempty"`
	// Complaints are what the browser has complained of since the beginning, URLs
	// what it has asked for, dialogs that were opened included.
	Complaints, URLs []string
}

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("browser", "err", err)
		os.Exit(1)
	}
}

// run serves commands until standard input ends, with a browser of a program.
func run(ctx context.Context, program string) error {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	w := &witness{}
	if err := chromedp.Listen(ctx, w.see); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return err
		}
		a := answer{}
		if err := c.do(ctx, &a); err != nil {
			a.Err = err.Error()
		}
		a.Complaints, a.URLs = w.said()
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return errors.Join(in.Err(), chromedp.Cancel(ctx))
}

func (c command) do(ctx context.Context, a *answer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if c.Width > 0 {
		if err := c.look(ctx); err != nil {
			return err
		}
	}
	if c.Open != "" {
		if err := chromedp.Do(ctx, chromedp.Navigate(c.Open)); err != nil {
			return err
		}
	}
	if c.Until != "" {
		if err := c.wait(ctx); err != nil {
			return err
		}
	}
	if c.Eval != "" {
		value, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](c.Eval))
		if a.Value = value; err != nil {
			return err
		}
	}
	if c.Shot == "" {
		return nil
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	return os.WriteFile(c.Shot, picture, 0o600)
}

// look sets how large the window is, and what its user prefers.
func (c command) look(ctx context.Context) error {
	scheme := "light"
	if c.Dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	return errors.Join(err, chromedp.Do(ctx, chromedp.EmulateViewport(c.Width, c.Height)))
}

// wait asks again and again: the page's policy allows no function made of text, with
// which the browser could wait itself.
func (c command) wait(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+c.Until+")")); err != nil || is {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", c.Until, ctx.Err())
		}
	}
}

// witness remembers what the browser did.
type witness struct {
	mu               sync.Mutex
	complaints, urls []string
}

func (w *witness) see(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.urls = append(w.urls, e.Request.URL)
	case *log.EventEntryAdded:
		w.complaints = append(w.complaints, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
	case *cdpruntime.EventExceptionThrown:
		w.complaints = append(w.complaints, "an exception: "+e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		w.complaints = append(w.complaints, "a dialog: "+e.Message)
	}
}

func (w *witness) said() (complaints, urls []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.complaints...), append([]string{}, w.urls...)
}
