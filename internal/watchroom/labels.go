package watchroom

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower/chain"
)

// What strangers and backends say must not become a label: each new value of one is
// a new series in every monitor, for ever. So all of them are put into classes.

// otherMethod stands for what is no method.
const otherMethod = "other"

// methods are the operator's, and the users' under their names in the protocol and
// under those of the inner door.
var methods = methodNames()

func methodNames() map[string]string {
	names := map[string]string{
		"Register": "register", "AddAppointment": "add_appointment", "GetAppointment": "get_appointment",
		"DeleteAppointment": "delete_appointment", "GetSubscriptionInfo": "get_subscription_info", "Ping": "ping",
	}
	for _, name := range slices.Collect(maps.Values(names)) {
		names[name] = name
	}
	for _, m := range operator.Methods() {
		names[m.Name] = m.Name
	}
	return names
}

func known(method string) string {
	if name, ok := methods[method]; ok {
		return name
	}
	return otherMethod
}

// outcome is what became of a request.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	switch cause := teos.AsError(err).Cause; cause {
	case teos.AuthenticationFailed:
		return "unauthenticated"
	case teos.NoSlots:
		return "no_slots"
	case teos.SubscriptionOver:
		return "expired"
	case teos.AlreadyTriggered:
		return "triggered"
	case teos.NotFound, teos.NoEndpoint, teos.WrongMethod:
		return "not_found"
	case teos.RegistrationRefused:
		return "refused"
	case teos.Unavailable:
		return "unavailable"
	case teos.TooMany:
		return "busy"
	default:
		if cause < teos.AuthenticationFailed {
			return "malformed"
		}
		return "failed"
	}
}

// Classes of reasons that have no words of their own.
const (
	reasonUnreachable = "unreachable"
	reasonOther       = "other"
)

// reasons are the classes of why a backend refuses a transaction, by what bitcoind
// and btcd say: the first that fits. They are for charts only; nothing is decided
// by them.
var reasons = []struct {
	class string
	words []string
}{
	{"inputs", []string{"missingorspent", "missing-inputs", "missing inputs", "orphan", "unspent output", "already spent"}},
	{"conflict", []string{"txn-mempool-conflict", "replacement", "conflict", "double spend"}},
	{"fee", []string{"fee"}},
	{"script", []string{"script-verify", "failed to validate input", "script"}},
	{"known", []string{"already in block chain", "already in utxo", "txn-already-known", "already exists", "already known"}},
	{"not_final", []string{"non-final", "non-bip68-final", "sequence lock", "not finalized"}},
	{"not_standard", []string{"dust", "nonstandard", "non-standard", "not standard", "too-long-mempool-chain", "tx-size", "version"}},
	{"damaged", []string{"damaged"}},
}

// answered tells what became of a broadcast, and of which class the reason is.
func answered(err error) (outcome, reason string) {
	switch {
	case err == nil:
		return "accepted", ""
	case unreachable(err):
		return "failed", reasonUnreachable
	}
	text := strings.ToLower(err.Error())
	for _, r := range reasons {
		for _, word := range r.words {
			if strings.Contains(text, word) {
				return "refused", r.class
			}
		}
	}
	return "refused", reasonOther
}

// unreachable tells whether a backend gave no answer at all, or not in time.
func unreachable(err error) bool {
	return errors.As(err, new(net.Error)) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// sourceOutcome is what became of a call of a backend. That it lacks a block, or
// refuses a transaction, is an answer.
func sourceOutcome(what chain.Call, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, chain.ErrNoBlock) || errors.Is(err, chain.ErrPruned):
		return "missing"
	case what == chain.CallPublish && !unreachable(err):
		return "refused"
	}
	return "failed"
}
