package tests

import (
	"errors"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestBreachIsAnsweredToItsEnd follows a breach in each dialect until the
// tower forgets it.
func TestBreachIsAnsweredToItsEnd(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 5}, func(s *scene) {
		v1, v2 := s.watched(s.user(teos.V1)), s.watched(s.user(teos.V2))
		s.node.MineBlock(v1.dispute, v2.dispute)
		for _, b := range []breach{v1, v2} {
			s.answered(b)
			for _, door := range s.doors() {
				_, err := b.user.At(door).Add(s.Context(), b.appointment)
				s.wantCode(err, codeTriggered, b.user.Dialect)
			}
		}
		height := s.confirmed(v1)
		for _, b := range []breach{v1, v2} {
			s.resolved(b, height)
			if info := s.subscription(b.user); info.Slots != 5 || len(info.Locators) != 0 {
				s.Fatalf("after the breach: %+v", info)
			}
		}
		if info := s.info(); info.Resolved != 2 || info.Confirmed != 0 || info.Appointments != 0 {
			s.Fatalf("after both breaches: %+v", info)
		}
	})
}

// TestTheOperatorSeesEachBreach from its first block to its end.
func TestTheOperatorSeesEachBreach(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		if all := s.breaches(""); len(all) != 0 {
			s.Fatalf("before the breach: %+v", all)
		}
		s.cheat(b)
		s.answered(b)
		found := s.node.Height()
		s.see(b, "pending", func(seen harness.Breach) bool {
			return seen.Tries == 1 && seen.TriedHeight == found && seen.Reason == "" && !seen.Doubtful &&
				seen.DisputeHeight == found && *seen.BlocksLeft == seen.ToSelfDelay-1
		})
		height := s.confirmed(b)
		s.see(b, "confirmed", func(seen harness.Breach) bool {
			return seen.SpenderTxid == seen.PenaltyTxid && seen.SpentHeight == height &&
				seen.Confirmations == 1 && seen.BlocksLeft == nil
		})
		s.resolved(b, height)
		s.see(b, "resolved", func(seen harness.Breach) bool {
			return seen.OverHeight == height+99 && seen.OverAt != "" && seen.SpentHeight == height
		})
		s.told("vigil_breach", "vigil_penalty_confirmed", "vigil_resolved")
		s.proven(b)
	})
}

// see demands one breach of all, in a state that the operator can ask for.
func (s *scene) see(b breach, state string, also func(harness.Breach) bool) {
	s.Helper()
	harness.Until(s, "the breach to be "+state, func() bool { return len(s.breaches(state)) == 1 })
	seen := s.breaches("")
	if len(seen) != 1 || seen[0].State != state || seen[0].UserID != b.user.ID.String() ||
		seen[0].Locator != b.appointment.Locator.String() || seen[0].DisputeTxid != b.dispute.TxHash().String() ||
		seen[0].PenaltyTxid != b.penalty.TxHash().String() || !also(seen[0]) {
		s.Fatalf("%s: the operator sees %+v", state, seen)
	}
}

func (s *scene) breaches(state string) []harness.Breach {
	s.Helper()
	seen, err := s.tower.Breaches(s.Context(), state)
	if err != nil {
		s.Fatalf("vigil-breaches: %v", err)
	}
	return seen
}

// TestUsersShareADispute: two users with one locator and one of the other
// dialect each have their own penalty published.
func TestUsersShareADispute(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		users := []*harness.Client{s.user(teos.V2), s.user(teos.V2), s.user(teos.V1)}
		dispute := s.node.Wallet.WideDispute(len(users))
		breaches := make([]breach, len(users))
		for i, user := range users {
			penalty := s.node.Wallet.PenaltyAt(dispute, i)
			breaches[i] = breach{dispute, penalty, user, user.NewAppointment(dispute.TxHash(), penalty)}
			s.add(user, breaches[i].appointment)
		}
		s.node.MineBlock(dispute)
		for _, b := range breaches {
			s.answered(b)
		}
		s.mine(1)
		for i, b := range breaches {
			if s.node.ConfirmedAt(b.penalty.TxHash(), 1) == 0 {
				s.Fatalf("penalty %d did not confirm", i)
			}
			s.responded(b)
		}
	})
}

// TestBlobThatDoesNotDecrypt harms nobody: neither its user's other
// appointments nor another user's with the same locator.
func TestBlobThatDoesNotDecrypt(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		good := s.watched(s.user(teos.V2))
		spoiler := s.user(teos.V2)
		bad := good.appointment
		bad.EncryptedBlob = make([]byte, 500)
		s.add(spoiler, bad)
		also := s.watched(spoiler)
		s.node.MineBlock(good.dispute, also.dispute)
		s.answered(good)
		s.answered(also)
	})
}

// TestLateAppointment: the dispute is in a recent block already; the penalty
// goes out without another block.
func TestLateAppointment(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		for _, dialect := range dialects {
			b := s.prepared(s.user(dialect))
			s.cheat(b)
			s.mine(2)
			s.add(b.user, b.appointment)
			s.answered(b)
		}
	})
}

// TestUpdateIsWhatCounts: of two penalties for one dispute the last is published.
func TestUpdateIsWhatCounts(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		b.penalty = s.node.Wallet.LargePenalty(b.dispute, 3)
		b.appointment = b.user.NewAppointment(b.dispute.TxHash(), b.penalty)
		s.add(b.user, b.appointment)
		s.cheat(b)
		s.answered(b)
	})
}

// TestRefusedPenaltyIsTriedAgain: what the backend refuses today it may take
// at the next block; here a rival in its mempool is gone by then.
func TestRefusedPenaltyIsTriedAgain(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		rival := s.node.Wallet.Rival(b.dispute)
		s.node.MustSend(b.dispute)
		s.node.MustSend(rival)
		s.cheat(b)
		s.settle()
		s.responded(b)
		s.wantRefused(b.penalty)

		s.node.Stop()
		s.node.Start() // without its mempool
		s.node.MineBlock()
		s.answered(b)
		s.confirmed(b)
	})
}

// wantRefused demands that the node refuses a transaction.
func (s *scene) wantRefused(tx *wire.MsgTx) {
	s.Helper()
	var refused *harness.RPCError
	if err := s.node.Send(tx); !errors.As(err, &refused) {
		s.Fatalf("the node was to refuse %v: %v", tx.TxHash(), err)
	}
}

// TestRivalEndsABreach: the cheater's own spend, as deep as a penalty would
// have to be, ends the breach too; until then the tower goes on.
func TestRivalEndsABreach(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 5}, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		s.cheat(b)
		s.answered(b)
		s.node.MineBlock(s.node.Wallet.Rival(b.dispute))
		height := s.node.Height()
		s.settle()
		if info := s.info(); info.Rivalled != 1 {
			s.Fatalf("a rival confirmed: %+v", info)
		}
		s.resolved(b, height)
		if info := s.info(); info.Lost != 1 {
			s.Fatalf("a rival is buried: %+v", info)
		}
		if slots := s.subscription(b.user).Slots; slots != 5 {
			s.Fatalf("%d slots of 5 after a breach", slots)
		}
	})
}
