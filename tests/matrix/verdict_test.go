package matrix

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

const (
	// burial is how many confirmations end a breach.
	burial = 100
	// codeNotFound is the error_code for an appointment that the tower has not.
	codeNotFound = 36
	// patience is for how long a tower may disagree with its chain: as long
	// as two hundred blocks take on a machine that is busy.
	patience = 3 * harness.Patience
	between  = 300 * time.Millisecond
)

// state is what a chain makes of a breach.
type state int

const (
	watching state = iota
	pending
	confirmed
	rivalled // by a rival of the penalty, or of the dispute
	resolved
	lost
	states
)

// told is what get_appointment says in a state.
var told = [states]string{
	harness.BeingWatched, harness.DisputeResponded, harness.DisputeResponded, harness.DisputeResponded, gone, gone,
}

// gone stands for an answer that there is no such appointment.
const gone = "not found"

// agrees waits until the tower tells of every breach what the best chain
// implies, by every door that it has: the counts, the appointments, the slots,
// and the mempool.
func (s *scene) agrees() {
	s.Helper()
	p := s.places()
	var why string
	if !s.eventually(func() bool { why = s.difference(p); return why == "" }) {
		s.Fatalf("the tower does not agree with the chain at block %d: %s", p.tip, why)
	}
	for _, b := range s.breaches {
		b.became(p.of(b), p)
	}
}

// until waits for what should happen.
func (s *scene) until(what string, ok func() bool) {
	s.Helper()
	if !s.eventually(ok) {
		s.Fatalf("waited %v for %s", patience, what)
	}
}

// eventually asks now and then, since each question may be a process of its own.
func (s *scene) eventually(ok func() bool) bool {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	tick := time.NewTicker(between)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// of is what the chain implies for a breach that the tower watches.
func (p places) of(b *breach) state {
	switch {
	case b.end != watching:
		return b.end
	case p.has(b.penalty):
		return p.unlessDeep(b.penalty, confirmed, resolved)
	case p.has(b.rival):
		return p.unlessDeep(b.rival, rivalled, lost)
	case b.seen && p.has(b.replacement):
		return p.unlessDeep(b.replacement, rivalled, watching)
	case b.seen || p.has(b.dispute) && !b.missed:
		return pending
	default:
		return watching
	}
}

// became notes what later states depend on. What is over stays so, whatever a
// reorg of a hundred blocks makes of it.
func (b *breach) became(now state, p places) {
	if now >= resolved && b.end == watching {
		b.end, b.spender = now, p.spender(b)
	}
	b.seen, b.told = now != watching, told[now]
}

// spender is what spent the dispute's output, or else what replaced it.
func (p places) spender(b *breach) *wire.MsgTx {
	for _, tx := range []*wire.MsgTx{b.spender, b.penalty, b.rival, b.replacement} {
		if p.has(tx) || tx != nil && tx == b.spender {
			return tx
		}
	}
	return nil
}

// difference says in what the tower's state is not the one that the chain
// implies; it is empty where the two agree.
func (s *scene) difference(p places) string {
	info := s.info()
	if info.Height != p.tip {
		return fmt.Sprintf("it is at block %d", info.Height)
	}
	var counts [states]int
	for _, b := range s.breaches {
		counts[p.of(b)]++
	}
	guarded := len(s.breaches) - counts[resolved] - counts[lost]
	want := [...]int{guarded, counts[pending], counts[confirmed], counts[rivalled], counts[resolved], counts[lost]}
	got := [...]int{info.Appointments, info.Pending, info.Confirmed, info.Rivalled, info.Resolved, info.Lost}
	if got != want {
		return fmt.Sprintf("appointments, pending, confirmed, rivalled, resolved, lost: %v, want %v", got, want)
	}
	for _, check := range []func(places, harness.Info) string{s.unlisted, s.unanswered, s.untold, s.slotsOff} {
		if why := check(p, info); why != "" {
			return why
		}
	}
	return ""
}

// untold is what get_appointment does not tell, where a state is another than at
// the last time: vigil-breaches has told of all.
func (s *scene) untold(p places, _ harness.Info) string {
	for _, b := range s.breaches {
		if b.told == told[p.of(b)] {
			continue
		}
		held, err := b.user.Get(s.Context(), b.appointment.Locator)
		if harness.Code(err) == codeNotFound {
			held.Status, err = gone, nil
		}
		if want := told[p.of(b)]; err != nil || held.Status != want {
			return fmt.Sprintf("%s: get_appointment: %q (%v), want %q", b.name, held.Status, err, want)
		}
		if tells := held.Appointment; held.Status == harness.DisputeResponded &&
			(tells.DisputeTxID != b.dispute.TxHash().String() || tells.PenaltyTx != harness.TxHex(b.penalty)) {
			return fmt.Sprintf("%s: get_appointment tells of dispute %s and penalty %s", b.name, tells.DisputeTxID, tells.PenaltyTxID)
		}
	}
	return ""
}

// slotsOff is a user whose slots don't equal what is stored.
func (s *scene) slotsOff(p places, _ harness.Info) string {
	left, held := map[*user]uint32{}, map[*user]int{}
	for _, b := range s.breaches {
		if _, met := left[b.user]; !met {
			left[b.user] = b.user.slots
		}
		if p.of(b) < resolved {
			left[b.user] -= teos.Slots(len(b.appointment.EncryptedBlob))
			held[b.user]++
		}
	}
	for u, want := range left {
		if got, err := u.Info(s.Context()); err != nil || got.Slots != want || len(got.Locators) != held[u] {
			return fmt.Sprintf("get_subscription_info: %d slots, %d locators (%v), want %d, %d",
				got.Slots, len(got.Locators), err, want, held[u])
		}
	}
	return ""
}

// words are vigil-breaches' for the states.
var words = [states]string{"", "pending", "confirmed", "rivalled", "resolved", "lost"}

// unlisted is what vigil-breaches does not tell.
func (s *scene) unlisted(p places, _ harness.Info) string {
	list, err := s.tower.Breaches(s.Context(), "")
	if err != nil {
		return "vigil-breaches: " + err.Error()
	}
	listed := map[string]harness.Breach{}
	for _, one := range list {
		listed[one.PenaltyTxid] = one
	}
	for _, b := range s.breaches {
		got := listed[b.penalty.TxHash().String()]
		if want := p.listed(b, got); got.State != want.State || got.SpenderTxid != want.SpenderTxid ||
			got.DisputeHeight != want.DisputeHeight || !b.givenIn(got.Reason) {
			return fmt.Sprintf("%s: vigil-breaches: %+v, want %+v with a reason of %q", b.name, got, want, b.refused)
		}
	}
	return ""
}

// listed is what vigil-breaches should tell. That a pending penalty was refused
// once is demanded elsewhere, and may be told until its next try.
func (p places) listed(b *breach, got harness.Breach) harness.Breach {
	now := p.of(b)
	want := harness.Breach{State: words[now], DisputeHeight: p.at[b.dispute.TxHash()]}
	if b.end != watching {
		want.DisputeHeight = got.DisputeHeight // as it was then
	}
	switch now {
	case watching:
		want.DisputeHeight = 0
	case pending:
		if got.State == "refused" {
			want.State = "refused"
		}
	default:
		want.SpenderTxid = p.spender(b).TxHash().String()
		if now == rivalled && !p.has(b.rival) {
			want.State = "replaced"
		}
	}
	return want
}

// unanswered is a pending penalty that is not in the mempool, unless something
// keeps it out: then the operator is told so.
func (s *scene) unanswered(p places, info harness.Info) string {
	pool := s.mempool()
	refused := 0
	for _, b := range s.breaches {
		if p.of(b) != pending {
			continue
		}
		out := b.refused != nil || pool[b.rival.TxHash()] || b.replacement != nil && pool[b.replacement.TxHash()]
		in := pool[b.penalty.TxHash()] && (p.has(b.dispute) || pool[b.dispute.TxHash()])
		switch {
		case out && in:
			return b.name + ": the penalty is in the mempool"
		case out:
			refused++
		case !in:
			return b.name + ": the penalty is not in the mempool, or its dispute is nowhere"
		}
		if !b.givenIn(strings.Join(info.Warnings, "\n")) {
			return fmt.Sprintf("%s: vigil-info gives no reason of %q: %q", b.name, b.refused, info.Warnings)
		}
	}
	if info.Refused < refused {
		return fmt.Sprintf("trackers_refused: %d, want %d", info.Refused, refused)
	}
	return ""
}

// givenIn tells whether a text gives why the penalty is refused, if it is.
func (b *breach) givenIn(text string) bool {
	given := func(reason string) bool { return strings.Contains(text, reason) }
	return b.refused == nil || slices.ContainsFunc(b.refused, given)
}

func (s *scene) mempool() map[chainhash.Hash]bool {
	s.Helper()
	var ids []string
	s.call(&ids, "getrawmempool")
	pool := map[chainhash.Hash]bool{}
	for _, id := range ids {
		pool[s.hash(id)] = true
	}
	return pool
}

// places is where a chain has each transaction, by height.
type places struct {
	tip int
	at  map[chainhash.Hash]int
}

func (p places) has(tx *wire.MsgTx) bool { return tx != nil && p.at[tx.TxHash()] > 0 }

func (p places) unlessDeep(tx *wire.MsgTx, shallow, deep state) state {
	if p.tip-p.at[tx.TxHash()]+1 >= burial {
		return deep
	}
	return shallow
}

// blocks remembers blocks by their hashes.
type blocks map[chainhash.Hash]block

type block struct {
	Height int
	Prev   string   `json:"previousblockhash"`
	Txs    []string `json:"tx"`
}

// places reads the best chain down to where the scene began.
func (s *scene) places() places {
	s.Helper()
	p := places{at: map[chainhash.Hash]int{}}
	for hash := s.tip(); ; {
		b, known := s.blocks[hash]
		if !known {
			s.call(&b, "getblock", hash.String(), 1)
			s.blocks[hash] = b
		}
		p.tip = max(p.tip, b.Height)
		for _, txid := range b.Txs {
			p.at[s.hash(txid)] = b.Height
		}
		if b.Height <= firstHeight {
			return p
		}
		hash = s.hash(b.Prev)
	}
}

func (s *scene) call(result any, method string, params ...any) {
	s.Helper()
	if err := s.node.Call(s.Context(), result, method, params...); err != nil {
		s.Fatalf("%s %v: %v", method, params, err)
	}
}

func (s *scene) hash(text string) chainhash.Hash {
	s.Helper()
	hash, err := chainhash.NewHashFromStr(text)
	if err != nil {
		s.Fatalf("%q is no hash: %v", text, err)
	}
	return *hash
}
