package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"vigil/internal/tower/chain"
)

// askFirst bounds the question to a backend before a tower is begun.
const askFirst = 5 * time.Second

// otherNetwork says what to change where a backend serves another network than the
// tower's. Its name may be anything.
func (s settings) otherNetwork(theirs string) string {
	ours, known := directoryOf(s.network), canonical(theirs) != ""
	if theirs = directoryOf(theirs); !known {
		theirs = fmt.Sprintf("%.20q", theirs)
	}
	text := fmt.Sprintf("it is on %s and the tower on %s", theirs, ours)
	node := fmt.Sprintf("a node on %s (%s)", ours, s.typed("bitcoind"))
	switch {
	case s.prefix != "" && s.node == nil:
		return text + ", as this node: lightningd's own backend must be on it, too"
	case s.prefix != "":
		return fmt.Sprintf("%s, as this node: name a bitcoind on %s (%s)", text, ours, s.typed("bitcoind"))
	case known:
		return fmt.Sprintf("%s: give the tower %s %s, or %s", text, s.typed("network"), theirs, node)
	}
	return fmt.Sprintf("%s: give the tower %s", text, node)
}

// begins fails where there is no tower in the directory yet and the backend is of
// another network: the key and the store of a tower that was never meant would
// stay. A backend that does not answer may start later.
func begins(ctx context.Context, s settings, node chain.Source) error {
	if slices.ContainsFunc([]string{keyFile, storeFile, markFile}, func(name string) bool { return exists(filepath.Join(s.dataDir, name)) }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askFirst)
	defer cancel()
	tip, err := node.Tip(ctx)
	if err != nil || tip.Network == s.network {
		return nil //nolint:nilerr // the tower tells of it, and waits
	}
	return fmt.Errorf("%w: %s", chain.ErrWrongNetwork, s.otherNetwork(tip.Network))
}
