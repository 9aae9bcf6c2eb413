package model

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

// clients is how many users there are; they are numbered from 1.
const clients = 3

func differ(what string, got, want any) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s: %v, want %v", what, got, want)
}

// catchUp lets all events befall the reference that have befallen the tower,
// and looks at what went out.
func (r *rig) catchUp() error {
	r.journal.mu.Lock()
	events, sent := r.events, r.sent
	r.journal.mu.Unlock()
	for ; r.heard < len(events); r.heard++ {
		if err := r.ref.apply(events[r.heard]); err != nil {
			return err
		}
	}
	for ; r.read < len(sent); r.read++ {
		s := sent[r.read]
		if !r.ref.may[s.tx] {
			return fmt.Errorf("%x was published, and nobody's breach asks for it", s.tx)
		}
		r.last[s.tx] = s
		if tx := (wire.MsgTx{}); s.err == nil && tx.Deserialize(strings.NewReader(s.tx)) == nil {
			r.taken[tx.TxHash()] = s.after
		}
	}
	return nil
}

// quiet fails while something remains to be done.
func (r *rig) quiet() error {
	if err := r.follower.Status().Err; err != nil {
		return fmt.Errorf("the follower is in trouble: %w", err)
	}
	if best := r.world.chain.Best(); r.ref.tip != best {
		return fmt.Errorf("the tower is not at block %d %v", best.Height, best.Hash)
	}
	ctx := r.t.Context()
	lowest, wanted, err := r.tower.WantsOlder(ctx)
	if err != nil || wanted && lowest.Height > r.world.pruned {
		return fmt.Errorf("blocks are missing below %d (%w)", lowest.Height, err)
	}
	if low := r.ref.bare(); low != nil && low.Height > r.world.pruned && !r.ref.blind[low.Height-1] {
		return fmt.Errorf("the transactions of recent blocks are missing below %d", low.Height)
	}
	if h, wanted, err := r.tower.WantsRescan(ctx); err != nil || wanted {
		return fmt.Errorf("block %d is not judged (%w)", h.Height, err)
	}
	due, _, err := r.tower.DuePenalties(ctx, responder.AtBlock, 0, 1)
	if err == nil && len(due) > 0 {
		err = fmt.Errorf("penalty %v is due", due[0].Penalty.ID)
	}
	r.ref.each(func(_ *user, k *kept) {
		if k.tracker != nil {
			err = errors.Join(err, r.published(k.tracker))
		}
	})
	return err
}

// published fails where a penalty is open and was not tried since there was
// last a reason to, or was refused and would not be now.
func (r *rig) published(t *tracker) error {
	if spend, _, _ := t.spend(r.world); spend != responder.Unspent {
		return nil
	}
	since := max(r.ref.moved, t.due)
	// It may be another user's, with another witness, that the mempool has, from before
	// this one's breach was found: once in a round is enough.
	at, taken := r.taken[t.penalty.TxHash()]
	taken = taken && at >= r.ref.moved
	last, found := r.last[string(serialized(t.penalty))]
	if !taken && (!found || last.after < since) {
		return fmt.Errorf("penalty %v was not published since event %d", t.penalty.TxHash(), since)
	}
	if t.at == 0 && t.seen && r.last[string(serialized(r.world.known[t.dispute]))].after < since {
		return fmt.Errorf("dispute %v is out of the chain and was not published since event %d", t.dispute, since)
	}
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if !taken && last.err != nil && r.world.fits(r.world.best, t.penalty.TxHash(), inputsOf(t.penalty), r.world.added) {
		return fmt.Errorf("penalty %v was refused and not tried again: %w", t.penalty.TxHash(), last.err)
	}
	return nil
}

// compare holds all that is stored, and what one user is told, against the
// reference.
func (r *rig) compare() error {
	if r.ref.tip == nil {
		return nil
	}
	err := r.db.View(r.t.Context(), func(tx tower.Tx) error {
		err := errors.Join(r.compareBlocks(tx), r.compareStats(tx))
		for n := 1; n <= clients; n++ {
			if errUser := r.compareUser(tx, n); errUser != nil {
				err = errors.Join(err, fmt.Errorf("user %d: %w", n, errUser))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.ask(r.heard%clients + 1)
}

func (r *rig) compareBlocks(tx tower.Tx) error {
	tip, _, err := tx.Tip()
	err = errors.Join(err, differ("tip", tip.Hash, r.ref.tip.Hash), differ("height", tip.Height, r.ref.tip.Height))
	lowest, _, errLowest := tx.Lowest()
	err = errors.Join(err, errLowest, differ("lowest header", lowest.Height, r.ref.lowest().Height))
	all := r.heard%16 == 0 // or else it takes most of the time
	for h, b := range r.ref.headers {
		if all || h+2 > r.ref.tip.Height {
			got, _, errHeader := tx.Header(h)
			err = errors.Join(err, errHeader, differ(fmt.Sprint("header ", h), got.Hash, b.Hash))
		}
	}
	for id, known := range r.world.known {
		if !all && known.TxIn[0].PreviousOutPoint.Hash != funding(uint32(r.heard)%channels).Hash {
			continue
		}
		v1, v2 := locators(id)
		want := recentHeight(r.ref.recent, id)
		for _, l := range []teos.Locator{v1, v2} {
			got, height, found, errRecent := tx.RecentTransaction(l)
			err = errors.Join(err, errRecent, differ("recent height", height, want), differ("recent", found, want != 0))
			if found {
				err = errors.Join(err, differ("recent id", got, id))
			}
		}
	}
	return err
}

func (r *rig) compareStats(tx tower.Tx) error {
	got, err := tx.Stats()
	var want tower.Stats
	for _, u := range r.ref.users {
		want.Users++
		want.Appointments += uint64(len(u.kept))
	}
	r.ref.each(func(_ *user, k *kept) {
		want.Bytes += uint64(len(k.EncryptedBlob))
		if k.tracker == nil {
			return
		}
		switch spend, _, _ := k.tracker.spend(r.world); spend {
		case responder.Unspent:
			want.Pending++
		case responder.ByPenalty:
			want.Confirmed++
		default:
			want.Rivalled++
		}
	})
	want.Resolved, want.Lost = r.ref.ended[responder.ByPenalty], r.ref.ended[responder.ByRival]
	for h := range r.ref.recent {
		if want.RecentFrom == 0 || h < want.RecentFrom {
			want.RecentFrom = h
		}
	}
	blind := make(map[uint32]bool)
	for _, b := range got.Blind {
		for h := b.From; h <= b.To; h++ {
			blind[h] = true
		}
	}
	got.Blind = nil
	got.Refused, got.Refusal, got.RefusedUntil = 0, "", 0 // the backend's matter
	return errors.Join(err, differ("stats", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want)),
		differ("blind", fmt.Sprint(blind), fmt.Sprint(r.ref.blind)))
}

func (r *rig) compareUser(tx tower.Tx, n int) error {
	want, known := r.ref.users[n]
	got, err := tx.User(towertest.NewUser(byte(n), teos.V2).ID())
	if errors.Is(err, gatekeeper.ErrNoUser) {
		return differ("is known", false, known)
	}
	if err != nil || !known {
		return errors.Join(err, differ("is known", true, known))
	}
	err = errors.Join(differ("dialect", got.Dialect, want.dialect), differ("slots", got.Slots, want.free),
		differ("start", got.Start, want.start), differ("expiry", got.Expiry, want.expiry))
	ls, _, errLocators := tx.Locators(got.Row, 0, tower.MaxLocators)
	err = errors.Join(err, errLocators, differ("appointments", len(ls), len(want.kept)))
	filled := uint64(got.Slots)
	for _, l := range ls {
		k := want.kept[l]
		if k == nil {
			err = errors.Join(err, fmt.Errorf("appointment %v is still stored", l))
			continue
		}
		slots, errStored := r.compareKept(tx, got.Row, k)
		filled += slots
		if errStored != nil {
			err = errors.Join(err, fmt.Errorf("appointment %v: %w", l, errStored))
		}
	}
	if want.given < 1<<32 {
		err = errors.Join(err, differ("free and filled slots", filled, want.given))
	}
	return err
}

func (r *rig) compareKept(tx tower.Tx, user int64, want *kept) (slots uint64, err error) {
	got, err := tx.Appointment(user, want.Locator)
	if err != nil {
		return 0, err
	}
	slots = uint64(len(got.EncryptedBlob)+2047) / 2048
	err = errors.Join(
		differ("blob is as sent", bytes.Equal(got.EncryptedBlob, want.EncryptedBlob), true),
		differ("delay", got.ToSelfDelay, want.ToSelfDelay), differ("signature", got.UserSignature, want.signature),
		differ("start block", got.StartBlock, want.start), differ("triggered", got.Triggered, want.tracker != nil))
	if want.tracker == nil || !got.Triggered {
		return slots, err
	}
	tr, errTracker := tx.Tracker(got.Row)
	return slots, errors.Join(err, errTracker, r.compareTracker(tr, want.tracker))
}

func (r *rig) compareTracker(got responder.Tracker, want *tracker) error {
	spend, spender, at := want.spend(r.world)
	err := errors.Join(differ("dispute", got.Dispute.ID, want.dispute), differ("dispute height", got.DisputeAt, want.at),
		differ("dispute is known", got.Described(), want.seen),
		differ("penalty", string(got.Penalty.Raw), string(serialized(want.penalty))), differ("judged", got.Judged, want.judged),
		differ("spend", got.Spend, spend), differ("spender", got.Spender, spender), differ("spent at", got.SpentAt, at))
	// What is doubtful and was refused waits for the next round of retries.
	if spend == responder.Unspent && !r.faulty && (!got.Doubtful || got.Accepted) {
		err = errors.Join(err, differ("tried at", got.TriedAt, r.ref.tip.Height))
	}
	return err
}

// ask holds what a user is told against the reference.
func (r *rig) ask(n int) error {
	u, cause := r.ref.who(n)
	me := towertest.NewUser(byte(n), teos.V2)
	s, err := r.tower.GetSubscriptionInfo(r.t.Context(), me.Subscription(r.t))
	if err := differ("answer to get_subscription_info", causeOf(err), cause); err != nil {
		return err
	}
	if cause == 0 {
		err = errors.Join(differ("slots told", s.Slots, u.free), differ("expiry told", s.Expiry, u.expiry),
			differ("locators told", len(s.Locators), len(u.kept)))
	} else {
		err = nil
	}
	for _, p := range r.plans {
		if p.user == n {
			err = errors.Join(err, r.askFor(me, u, cause, p.plan.Locator))
		}
	}
	return err
}

func (r *rig) askFor(me towertest.User, u *user, cause teos.Cause, l teos.Locator) error {
	got, err := r.tower.GetAppointment(r.t.Context(), me.Get(r.t, l))
	var want *kept
	if cause == 0 {
		if want = u.kept[l]; want == nil {
			cause = teos.NotFound
		}
	}
	if err := differ("answer to get_appointment", causeOf(err), cause); err != nil || cause != 0 {
		return err
	}
	if want.tracker == nil {
		return differ("triggered as told", got.Triggered, false)
	}
	return errors.Join(differ("triggered as told", got.Triggered, true),
		differ("dispute as told", got.Tracker.Dispute.ID, want.tracker.dispute),
		differ("penalty as told", got.Tracker.Penalty.ID, want.tracker.penalty.TxHash()))
}

// causeOf returns 0 for no error.
func causeOf(err error) teos.Cause {
	if err == nil {
		return 0
	}
	return teos.AsError(err).Cause
}

// signedByTower fails unless the tower signed a message.
func signedByTower(message []byte, s teos.Signature) error {
	signer, err := teos.Recover(message, s)
	return errors.Join(err, differ("signer of the receipt", signer, towertest.NewUser(0, teos.V2).ID()))
}
