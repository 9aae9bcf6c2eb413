package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// bareAnswer is as long as a receipt.
var bareAnswer = bytes.Repeat([]byte{' '}, 350)

// serveBare is what the process does that bareHTTP starts: it reads requests and
// answers them. It ends when its standard input does.
func serveBare() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	server := &http.Server{ReadTimeout: slow, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(bareAnswer)
	})}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	_ = server.Serve(l)
}

// bareHTTP is the CPU that Go's own server takes for a request as long as one for an
// appointment, with so many clients: what no tower behind it can save.
func (b *bench) bareHTTP(clients int) time.Duration {
	b.Helper()
	self, err := os.Executable()
	b.check("find this program", err)
	cmd := exec.CommandContext(b.ctx, self, "-bare")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	b.check("make a pipe", err)
	out, err := cmd.StdoutPipe()
	b.check("make a pipe", err)
	b.check("start a bare server", cmd.Start())
	defer func() {
		_ = in.Close()
		b.check("wait for the bare server", cmd.Wait())
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	b.check("read the bare server's address", err)
	t := &served{address: strings.TrimSpace(address), pid: cmd.Process.Pid}
	requests := slices.Repeat([][]byte{post(t.address, "add_appointment", make([]byte, 900))}, 30_000)
	b.load(t, clients, requests[:1000], phase, nil)
	return b.load(t, clients, requests, phase, nil).cpuEach()
}
