// Package cln is the only code that knows lightningd and glightning: the
// plugin protocol on stdin and stdout, the client of lightningd's RPC socket,
// the chain source over it, and the log handler.
//
// # The guard
//
// glightning keeps the registry of methods and options, builds the manifest
// and dispatches calls, but it may not touch lightningd's pipes itself: a
// parameter of the wrong type, a panic, a long log line or an early Stop in it
// end the plugin, every error leaves it as code -1, and numbers go through
// float64. So a guard stands between the real pipes and glightning:
//
//	stdin ── frameReader ── guard ── os.Pipe ── glightning ── bridge ── Method
//	stdout ─ outbox ─────── guard ── os.Pipe ──────┘
//
// The guard finds where a message ends, refuses what is too large, handles
// notifications itself and in order, replaces each request's id by a number of
// its own and wraps the parameters into one string. A bridge never returns an
// error to glightning: it returns the finished JSON text, "result" or "error",
// as a string. The guard puts the original id back and writes the answer.
// See docs/adr/0002-glightning-behind-a-guard.md.
//
// # Not used
//
// glightning's Stop panics with calls in flight; here it ends when its input
// pipe is closed. Its RPC client is not used: once the connection is lost it
// never comes back, a drop under load panics in a goroutine of its own, and it
// joins an absolute rpc-file to the directory. RPC dials anew for each call.
package cln
