package cln

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// startLibrary starts glightning on a pair of pipes and takes the log package
// back from it: its own redirection blocks for ever on a long line.
func (g *guard) startLibrary() (restore func(), err error) {
	requests, libIn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answers, libOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, requests.Close(), libIn.Close())
	}
	g.libIn, g.libOut = libIn, libOut
	restore = keepStdLog()
	g.libEnded.Go(func() {
		defer requests.Close()
		if err := g.lib.Start(requests, libOut); err != nil {
			g.log.Error("glightning ended", "error", err)
		}
	})
	g.libEnded.Go(func() {
		defer answers.Close()
		g.collect(answers)
	})
	// The refusal of a request without method shows that it has set itself up.
	if err := g.hand(0, message{}); err != nil {
		return nil, err
	}
	select {
	case <-g.libStarted:
	case <-time.After(10 * time.Second):
		return nil, errors.New("glightning doesn't start")
	}
	takeStdLog(g.log.Handler())
	return restore, nil
}

// hand writes a request as glightning can take it; n = 0 is no call.
func (g *guard) hand(n int64, m message) error {
	text, err := marshal(struct {
		Version string            `json:"jsonrpc"`
		ID      int64             `json:"id"`
		Method  string            `json:"method"`
		Params  map[string]string `json:"params"`
	}{"2.0", n, m.method, map[string]string{"params": string(m.params)}})
	if err != nil {
		return err
	}
	_, err = g.libIn.Write(append(text, "\n\n"...))
	return err
}

// collect takes glightning's answers until it ends.
func (g *guard) collect(out io.Reader) {
	r := newFrameReader(out, maxResult)
	for {
		f, err := r.next()
		if err != nil {
			return
		}
		g.collected(f)
	}
}

func (g *guard) collected(f frame) {
	var a struct {
		ID     *int64  `json:"id"`
		Result *string `json:"result"`
		Error  *Error  `json:"error"`
		Params struct {
			Message string `json:"message"`
		} `json:"params"`
	}
	if err := json.Unmarshal(f.text, &a); err != nil || a.ID == nil {
		g.log.Debug("glightning: "+a.Params.Message, "error", err)
		return
	}
	if *a.ID == 0 {
		close(g.libStarted)
		return
	}
	c, open := g.leave(*a.ID)
	<-g.slots // before the caller can see the answer and call again
	if open {
		g.queue.answer(answer(c.id, g.body(c.method, a.Result, a.Error)))
	}
}

// body is what glightning's answer comes to. Its only error of use is that it
// doesn't know the method.
func (g *guard) body(method string, result *string, fault *Error) []byte {
	switch {
	case result != nil:
		return []byte(*result)
	case fault != nil && fault.Code == CodeMethodNotFound:
		return g.failure(method, unknownMethod(method))
	case fault != nil:
		return g.failure(method, errors.New("glightning: "+fault.Message))
	}
	return g.failure(method, errors.New("the answer is too large"))
}
