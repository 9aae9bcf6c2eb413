package model

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

const (
	burial = 100 // BOLT 5: irrevocably resolved
	window = 144 // headers that are remembered
)

// plan is an appointment as its user knows it.
type plan struct {
	teos.Appointment
	signature teos.Signature
	dispute   chainhash.Hash
	penalty   *wire.MsgTx // nil where the blob lies
	void      bool        // the penalty spends what the dispute has not
}

func (p *plan) slots() uint32 { return uint32(max(1, (len(p.EncryptedBlob)+2047)/2048)) }

// reference is the tower as the protocol and the invariants have it.
type reference struct {
	terms   tower.Terms
	world   *world
	users   map[int]*user
	headers map[uint32]*chain.Block
	recent  map[uint32]*chain.Block
	tip     *chain.Block
	blind   map[uint32]bool
	ended   map[responder.Spend]uint64
	// may is all that may ever have been published, to the byte.
	may map[string]bool
	// moved is when, in events, the tip was last another.
	moved, events int
}

type user struct {
	dialect       teos.Dialect
	free          uint32
	given         uint64 // slots in all
	start, expiry uint32
	kept          map[teos.Locator]*kept
}

// kept is an appointment that the tower has promised to watch.
type kept struct {
	*plan
	start   uint32
	tracker *tracker
}

// tracker is a breach that is answered.
type tracker struct {
	dispute  chainhash.Hash
	seen     bool // the dispute itself, and not only its id
	at       uint32
	penalty  *wire.MsgTx
	judged   uint32
	judgedBy []*chain.Block
	due      int // since when, in events
}

func newReference(w *world, terms tower.Terms) *reference {
	return &reference{
		terms: terms, world: w, users: make(map[int]*user), headers: make(map[uint32]*chain.Block),
		recent: make(map[uint32]*chain.Block), blind: make(map[uint32]bool),
		ended: make(map[responder.Spend]uint64), may: make(map[string]bool),
	}
}

// answer is what a request gets.
type answer struct {
	cause                teos.Cause
	slots, start, expiry uint32
	signed               []byte
}

func be(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func (r *reference) register(n int, d teos.Dialect) answer {
	if r.tip == nil {
		return answer{cause: teos.Unavailable}
	}
	u := r.users[n]
	if u == nil {
		u = &user{kept: make(map[teos.Locator]*kept)}
	}
	height := r.tip.Height
	slots := uint64(u.free) + uint64(r.terms.Slots)
	expiry := uint64(max(u.expiry, height)) + uint64(r.terms.Duration)
	if slots > math.MaxUint32 || expiry > math.MaxUint32 {
		return answer{cause: teos.RegistrationRefused}
	}
	if u.expiry <= height {
		u.start = height
	}
	if len(u.kept) == 0 {
		u.dialect = d // else a stranger could change it: nobody signs this
	}
	u.free, u.expiry = uint32(slots), uint32(expiry)
	u.given += uint64(r.terms.Slots)
	r.users[n] = u
	id := towertest.NewUser(byte(n), d).ID()
	signed := slices.Concat(id[:], be(u.free), be(u.start), be(u.expiry))
	if d == teos.V1 {
		signed = slices.Concat(id[:], be(u.free), be(u.expiry))
	}
	return answer{slots: u.free, start: u.start, expiry: u.expiry, signed: signed}
}

// who returns a user that may ask for something.
func (r *reference) who(n int) (*user, teos.Cause) {
	u := r.users[n]
	switch {
	case r.tip == nil:
		return nil, teos.Unavailable
	case u == nil:
		return nil, teos.AuthenticationFailed
	case r.tip.Height >= u.expiry:
		return nil, teos.SubscriptionOver
	}
	return u, 0
}

func (r *reference) add(n int, p *plan) answer {
	u, cause := r.who(n)
	if cause != 0 {
		return answer{cause: cause}
	}
	k := u.kept[p.Locator]
	switch {
	case k != nil && k.tracker != nil:
		return answer{cause: teos.AlreadyTriggered}
	case k != nil && k.signature == p.signature && bytes.Equal(k.EncryptedBlob, p.EncryptedBlob) && k.ToSelfDelay == p.ToSelfDelay:
		return u.receipt(k)
	}
	free := uint64(u.free)
	if k != nil {
		free += uint64(k.slots())
	}
	if free < uint64(p.slots()) {
		return answer{cause: teos.NoSlots}
	}
	u.free = uint32(min(free-uint64(p.slots()), math.MaxUint32))
	k = &kept{plan: p, start: r.tip.Height}
	u.kept[p.Locator] = k
	r.answerLate(k)
	return u.receipt(k)
}

func (u *user) receipt(k *kept) answer {
	signed := []byte(k.signature.String())
	if u.dialect == teos.V1 {
		signed = k.signature[:]
	}
	return answer{slots: u.free, start: k.start, expiry: u.expiry, signed: slices.Concat(signed, be(k.start))}
}

// answerLate tracks a breach in the recent blocks. Their bytes are gone: the
// dispute is described, and what befell it since found, by a second look.
func (r *reference) answerLate(k *kept) {
	if at := recentHeight(r.recent, k.dispute); at != 0 && k.penalty != nil {
		r.track(k, at)
	}
}

func recentHeight(blocks map[uint32]*chain.Block, id chainhash.Hash) (height uint32) {
	for h, b := range blocks {
		if holds(b, id) {
			height = max(height, h)
		}
	}
	return height
}

func holds(b *chain.Block, id chainhash.Hash) bool {
	return slices.ContainsFunc(b.Txs, func(tx chain.Tx) bool { return tx.ID == id })
}

func (r *reference) track(k *kept, at uint32) *tracker {
	k.tracker = &tracker{dispute: k.dispute, at: at, penalty: k.penalty, judged: at - 1, due: r.events}
	r.mayPublish(k.tracker)
	return k.tracker
}

// mayPublish notes what may go out for a tracker.
func (r *reference) mayPublish(t *tracker) {
	if kind, _, _ := t.spend(r.world); kind != responder.Unspent {
		return
	}
	r.may[string(serialized(t.penalty))] = true
	if t.at == 0 && t.seen {
		r.may[string(serialized(r.world.known[t.dispute]))] = true
	}
}

// spend is what the blocks that a tracker was judged by decide.
func (t *tracker) spend(w *world) (kind responder.Spend, spender chainhash.Hash, at uint32) {
	for _, b := range t.judgedBy {
		for _, tx := range b.Txs {
			switch {
			case tx.ID == t.penalty.TxHash():
				return responder.ByPenalty, tx.ID, b.Height
			case overlap(tx.Inputs, inputsOf(t.penalty)):
				return responder.ByRival, tx.ID, b.Height
			case t.seen && tx.ID != t.dispute && overlap(tx.Inputs, inputsOf(w.known[t.dispute])):
				return responder.Replaced, tx.ID, b.Height
			}
		}
	}
	return responder.Unspent, chainhash.Hash{}, 0
}

func overlap(a, b []wire.OutPoint) bool {
	return slices.ContainsFunc(a, func(out wire.OutPoint) bool { return slices.Contains(b, out) })
}

// each calls f for every appointment, in an order of no meaning.
func (r *reference) each(f func(u *user, k *kept)) {
	for _, u := range r.users {
		for _, k := range u.kept {
			f(u, k)
		}
	}
}

// scan finds the breaches in a block, whatever the byte order of the locator.
func (r *reference) scan(b *chain.Block) {
	for _, tx := range b.Txs {
		v1, v2 := locators(tx.ID)
		r.each(func(_ *user, k *kept) {
			if k.Locator != v1 && k.Locator != v2 || k.penalty == nil {
				return
			}
			if k.void {
				k.tracker = nil
				return
			}
			if k.tracker == nil {
				r.track(k, b.Height)
			}
			t := k.tracker
			t.at, t.seen, t.judged = b.Height, true, min(t.judged, b.Height-1)
		})
	}
}

// judge lets a block decide about the trackers that have met all before it.
func (r *reference) judge(b *chain.Block) {
	r.each(func(_ *user, k *kept) {
		t := k.tracker
		if t == nil || t.judged+1 != b.Height {
			return
		}
		t.judged = b.Height
		t.judgedBy = append(t.judgedBy, b)
		if holds(b, t.dispute) {
			t.at, t.seen = b.Height, true
			if k.void {
				k.tracker = nil
			}
		}
	})
}

// bury ends what is decided and a hundred blocks deep.
func (r *reference) bury(height uint32) (over []string) {
	for n, u := range r.users {
		for l, k := range u.kept {
			if k.tracker == nil {
				continue
			}
			kind, spender, at := k.tracker.spend(r.world)
			switch {
			case kind == responder.Unspent || at+burial-1 > height:
			case kind == responder.Replaced:
				k.tracker = nil
			default:
				over = append(over, resolved(l, k.tracker.dispute, spender, kind, at, height))
				r.ended[kind]++
				u.free = uint32(min(uint64(u.free)+uint64(k.slots()), math.MaxUint32))
				delete(r.users[n].kept, l)
			}
		}
	}
	slices.Sort(over)
	return over
}

func resolved(l teos.Locator, dispute, spender chainhash.Hash, kind responder.Spend, at, height uint32) string {
	return fmt.Sprintf("%v: %v %v by %v at %d, noted at %d", l, dispute, kind, spender, at, height)
}

// expire ends subscriptions past their grace, but for breaches that are being
// answered.
func (r *reference) expire(height uint32) {
	for n, u := range r.users {
		if u.expiry+r.terms.Grace > height {
			continue
		}
		for l, k := range u.kept {
			if k.tracker == nil {
				u.free = uint32(min(uint64(u.free)+uint64(k.slots()), math.MaxUint32))
				delete(u.kept, l)
			}
		}
		if len(u.kept) == 0 {
			delete(r.users, n)
		}
	}
}
