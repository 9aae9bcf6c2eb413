package tests

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestUserThroughEveryDoor goes through all requests of a user, in both
// dialects and through each door.
func TestUserThroughEveryDoor(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 10, "subscription-duration": 1000}, func(s *scene) {
		tower, err := teos.ParseUserID(s.info().TowerID)
		if err != nil {
			s.Fatalf("vigil-info's tower_id: %v", err)
		}
		for name, door := range s.doors() {
			for _, dialect := range dialects {
				s.Logf("door %s, dialect %v", name, dialect)
				user := harness.NewUser(s, dialect, door)
				user.Tower = tower
				s.useEverything(user)
			}
		}
	})
}

func (s *scene) useEverything(user *harness.Client) {
	s.Helper()
	height := uint32(s.node.Height())
	registration := s.register(user)
	if registration.Slots != 10 || registration.Start != height || registration.Expiry != height+1000 {
		s.Fatalf("registered at %d for %+v", height, registration)
	}
	dispute := s.node.Wallet.Dispute()
	s.settle()
	height = uint32(s.node.Height())
	a := user.NewAppointment(dispute.TxHash(), s.node.Wallet.Penalty(dispute, harness.Fee))

	receipt := s.add(user, a)
	if *receipt.StartBlock != height || *receipt.Slots != 9 || *receipt.Expiry != registration.Expiry {
		s.Fatalf("accepted at %d with start_block %d, %d slots, expiry %d",
			height, *receipt.StartBlock, *receipt.Slots, *receipt.Expiry)
	}
	held := s.get(user, a)
	if held.Status != harness.BeingWatched || held.Appointment.ToSelfDelay != a.ToSelfDelay ||
		held.Appointment.EncryptedBlob != hex.EncodeToString(a.EncryptedBlob) {
		s.Fatalf("the tower holds %+v", held)
	}
	want := []string{a.Locator.String()}
	info := s.subscription(user)
	if info.Slots != 9 || info.Expiry != registration.Expiry ||
		!slices.Equal(info.Locators, want) || !slices.Equal(info.Appointments, want) {
		s.Fatalf("the subscription is %+v", info)
	}
}

// TestRepeatCostsNothing: the same request again gets the same receipt, also
// through the other door, in the other case of hex, and blocks later.
func TestRepeatCostsNothing(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 10}, func(s *scene) {
		for _, dialect := range dialects {
			user := s.user(dialect)
			b := s.watched(user)
			first := s.add(user, b.appointment)
			s.mine(2)
			for name, door := range s.doors() {
				again := s.add(user.At(door), b.appointment)
				if again.Signature != first.Signature || *again.StartBlock != *first.StartBlock || *again.Slots != 9 {
					s.Fatalf("door %s: repeated %+v, first %+v", name, again, first)
				}
			}
			s.addUpperCase(user, b.appointment)
		}
	})
}

func (s *scene) addUpperCase(user *harness.Client, a teos.Appointment) {
	s.Helper()
	body := user.SignedAppointment(a)
	fields := body["appointment"].(map[string]any)
	for _, name := range []string{"locator", "encrypted_blob"} {
		fields[name] = strings.ToUpper(fields[name].(string))
	}
	answer, err := s.tower.HTTP().Ask(s.Context(), "add_appointment", body)
	if err != nil || answer.Status != 200 || !strings.Contains(string(answer.Body), a.Locator.String()) {
		s.Fatalf("upper-case hex: %d %s, %v", answer.Status, answer.Body, err)
	}
	if slots := s.subscription(user).Slots; slots != 9 {
		s.Fatalf("a repeat in upper case left %d slots of 9", slots)
	}
}

// TestRenewalGrows: clients of v2 take a renewal only if slots and expiry both grew.
func TestRenewalGrows(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 5, "subscription-duration": 100}, func(s *scene) {
		user := s.user(teos.V2)
		first := s.register(user)
		again := s.register(user)
		if again.Slots != first.Slots+5 || again.Expiry != first.Expiry+100 {
			s.Fatalf("renewed to %+v after %+v", again, first)
		}
	})
}

// TestDialectIsThatOfTheLastRegistration: a user may change clients, but
// nobody may change the dialect of one who has appointments.
func TestDialectIsThatOfTheLastRegistration(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		user := s.user(teos.V1)
		s.register(user)
		user.Dialect = teos.V2
		s.register(user)
		s.watched(user)
		stranger := *user
		stranger.Dialect = teos.V1
		s.register(&stranger)
		s.watched(user)
		unknown := s.prepared(user).appointment
		_, err := user.Get(s.Context(), unknown.Locator)
		if !isNotFound(err) {
			s.Fatalf("not found, in v2: %v", err)
		}
	})
}

// TestUpdateTakesTheDifference: an update is charged or refunded by its size.
func TestUpdateTakesTheDifference(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 10}, func(s *scene) {
		user := s.user(teos.V2)
		dispute := s.node.Wallet.Dispute()
		small := user.NewAppointment(dispute.TxHash(), s.node.Wallet.Penalty(dispute, harness.Fee))
		large := user.NewAppointment(dispute.TxHash(), s.node.Wallet.LargePenalty(dispute, 140))
		if n := teos.Slots(len(large.EncryptedBlob)); n != 3 {
			s.Fatalf("the large appointment takes %d slots", n)
		}
		for _, step := range []struct {
			appointment teos.Appointment
			left        uint32
		}{{small, 9}, {large, 7}, {large, 7}, {small, 9}} {
			receipt := s.add(user, step.appointment)
			if *receipt.Slots != step.left || s.subscription(user).Slots != step.left {
				s.Fatalf("%d bytes left %d slots, want %d", len(step.appointment.EncryptedBlob), *receipt.Slots, step.left)
			}
			held := s.get(user, step.appointment).Appointment
			if held.EncryptedBlob != hex.EncodeToString(step.appointment.EncryptedBlob) {
				s.Fatal("the tower holds another blob than the last one")
			}
		}
	})
}

// TestSlotsExhausted: an appointment without slots left is refused with the
// code that makes clients register again, and then goes through.
func TestSlotsExhausted(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": 2}, func(s *scene) {
		for _, dialect := range dialects {
			user := s.user(dialect)
			s.watched(user)
			s.watched(user)
			third := s.prepared(user)
			for _, door := range s.doors() {
				_, err := user.At(door).Add(s.Context(), third.appointment)
				s.wantCode(err, codeAuth, dialect)
			}
			if info := s.subscription(user); info.Slots != 0 || len(info.Locators) != 2 {
				s.Fatalf("after a refusal: %+v", info)
			}
			s.register(user)
			s.add(user, third.appointment)
		}
	})
}

// TestSubscriptionExpires: when it is over nothing more is accepted; after the
// grace the tower has forgotten the user, appointments and all.
func TestSubscriptionExpires(t *testing.T) {
	options := harness.Options{"subscription-duration": 20, "expiry-grace": 3}
	onEveryTower(t, options, func(s *scene) {
		for _, dialect := range dialects {
			user := s.user(dialect)
			b, refused := s.watched(user), s.prepared(user)
			expiry := int(s.subscription(user).Expiry)
			s.node.MineTo(expiry + 1)
			s.settle()
			_, err := user.Add(s.Context(), refused.appointment)
			s.wantCode(err, codeAuth, dialect)
			s.node.MineTo(expiry + 3 + 2)
			s.settle()
			_, err = user.Info(s.Context())
			s.wantCode(err, codeAuth, teos.V2) // a stranger now
			if info := s.info(); info.Users != 0 || info.Appointments != 0 {
				s.Fatalf("after the grace: %+v", info)
			}
			s.register(user)
			if _, err := user.Get(s.Context(), b.appointment.Locator); err == nil {
				s.Fatal("an appointment outlived its subscription")
			}
		}
	})
}

// TestBreachOutlivesSubscription: a breach that is being answered goes on
// after the end of the subscription.
func TestBreachOutlivesSubscription(t *testing.T) {
	options := harness.Options{"subscription-duration": 20, "expiry-grace": 3}
	onEveryTower(t, options, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		s.cheat(b)
		s.answered(b)
		for range 30 {
			s.node.MineBlock()
		}
		s.settle()
		if !s.node.InMempool(b.penalty.TxHash()) {
			s.Fatal("the penalty left the mempool")
		}
		if info := s.info(); info.Pending != 1 {
			s.Fatalf("the tower gave a breach up: %+v", info)
		}
	})
}
