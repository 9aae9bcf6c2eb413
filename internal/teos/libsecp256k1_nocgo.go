//go:build libsecp256k1 && !cgo

package teos

// The compiler's complaint about this name is the message.
var _ = the_tag_libsecp256k1_needs_CGO_ENABLED_1_and_a_C_compiler
