package tower

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"golang.org/x/time/rate"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
)

// Terms are what an operator may decide.
type Terms struct {
	gatekeeper.Terms
	// RecentBlocks is for how many blocks back an appointment may come
	// after its dispute.
	RecentBlocks uint32
}

// How many knocks are noted: so many a second, after so many at once. Each is a
// commit, and addresses are slowed down before they come here.
const (
	knocksPerSecond = 20
	knocksAtOnce    = 200
)

// headers is how many blocks are remembered at least, by their hashes: the
// deepest reorg that is followed.
const headers = 144

// Tower is the watchtower. Its methods are safe for concurrent use.
type Tower struct {
	key        *btcec.PrivateKey
	store      Store
	reserve    Reserve
	storeError atomic.Pointer[error]
	hurt       atomic.Bool // damage was met
	terms      Terms
	gatekeeper *gatekeeper.Gatekeeper
	log        *slog.Logger
	// knocking bounds how many knocks are noted.
	knocking   *rate.Limiter
	penaltyDue func()
	unrecorded func(responder.Answer)
}

// New returns a Tower over a store, which must be the same from start to start
// for the same key.
func New(key *btcec.PrivateKey, s Store, t Terms, log *slog.Logger) *Tower {
	return &Tower{
		key: key, store: s, reserve: noReserve{}, terms: t, log: log,
		gatekeeper: gatekeeper.New(t.Terms),
		knocking:   rate.NewLimiter(knocksPerSecond, knocksAtOnce),
		penaltyDue: func() {},
		unrecorded: func(responder.Answer) {},
	}
}

// OnPenaltyDue sets what is called after each commit that may have left a
// penalty to publish. It must not block. Not safe once the Tower is in use.
func (t *Tower) OnPenaltyDue(f func()) { t.penaltyDue = f }

// OnUnrecorded sets what is called with each answer to a breach that the store
// can't record now. It must not block. Not safe once the Tower is in use.
func (t *Tower) OnUnrecorded(f func(responder.Answer)) { t.unrecorded = f }

// ID returns the tower's public key, by which its users know it.
func (t *Tower) ID() teos.UserID { return teos.NewUserID(t.key.PubKey()) }

// update runs f, a user's request, in a transaction at the height of the tip.
func (t *Tower) update(ctx context.Context, f func(tx Tx, height uint32) error) error {
	if err := t.admit(); err != nil {
		return err
	}
	return t.wrote(t.store.Update(ctx, func(tx Tx) error { return atTip(tx, f) }))
}

func (t *Tower) view(ctx context.Context, f func(tx Tx, height uint32) error) error {
	return t.met(t.store.View(ctx, func(tx Tx) error { return atTip(tx, f) }))
}

// atTip fails before the first block: without a height no subscription has a
// beginning or an end.
func atTip(tx Tx, f func(tx Tx, height uint32) error) error {
	tip, found, err := tx.Tip()
	if err != nil {
		return err
	}
	if !found {
		return teos.Errorf(teos.Unavailable, "the tower has not seen the chain yet: try again in a minute")
	}
	return f(tx, tip.Height)
}

// DuePenalties implements responder.Ledger.
func (t *Tower) DuePenalties(ctx context.Context, scope responder.Scope, after int64, limit int) (due []responder.Tracker, tip chain.Header, err error) {
	err = t.store.View(ctx, func(tx Tx) error {
		var found bool
		if tip, found, err = tx.Tip(); err != nil || !found {
			return err
		}
		due, err = tx.Due(tip.Height, scope, after, limit)
		return err
	})
	return due, tip, err
}

// NoteTries implements responder.Ledger.
func (t *Tower) NoteTries(ctx context.Context, tip chain.Header, tried []responder.Tracker) error {
	return t.vital(ctx, func(tx Tx) error {
		now, _, err := tx.Header(tip.Height)
		if err != nil {
			return err
		}
		for _, tr := range tried {
			if now.Hash != tip.Hash {
				tr.TriedAt = 0
			}
			if err := responder.Note(tx, tr, tip.Height); err != nil {
				return err
			}
		}
		return nil
	})
}

// readable fails where the row can't be read behind which the next block comes: a tip may
// be remembered.
func readable(tx Tx, height uint32) error {
	_, _, err := tx.Header(height)
	return err
}

// Readable fails where the store can't be read, whatever is remembered of it.
func (t *Tower) Readable(ctx context.Context) error {
	return t.met(t.store.View(ctx, func(tx Tx) error {
		tip, _, err := tx.Tip()
		if err != nil {
			return err
		}
		return readable(tx, tip.Height)
	}))
}

// Ready fails until appointments are accepted. With write set it proves that
// the store can commit.
func (t *Tower) Ready(ctx context.Context, write bool) error {
	err := t.view(ctx, readable)
	if err != nil || !write {
		return err
	}
	if err := t.admit(); err != nil {
		return err
	}
	// As much as the largest appointment: a disk on which only a little fits
	// must not pass for one that works.
	proof := strings.Repeat("0", probeSize)
	if err := t.write(ctx, proof); err != nil {
		return err
	}
	return t.write(ctx, time.Now().UTC().Format(time.RFC3339))
}

// probeSize is how much is written to prove that the store can, in bytes: the
// largest blob that an operator may allow.
const probeSize = 1 << 20

func (t *Tower) write(ctx context.Context, value string) error {
	return t.wrote(t.store.Update(ctx, func(tx Tx) error { return tx.SetIdentity("written", value) }))
}

var _ chain.Tower = (*Tower)(nil)
