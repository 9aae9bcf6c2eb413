package tests

import (
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// endings are the ways in which a tower ends.
var endings = map[string]func(harness.Tower){
	"stop": func(tower harness.Tower) { tower.Stop() },
	"kill": func(tower harness.Tower) { tower.Kill() },
}

// TestRestartInEveryState ends the tower while one breach is watched for, one
// is pending and one confirmed; all go on after, to their end.
func TestRestartInEveryState(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			onEveryTower(t, harness.Options{"subscription-slots": 5}, func(s *scene) {
				user := s.user(teos.V2)
				confirmed := s.watched(user)
				s.cheat(confirmed)
				s.answered(confirmed)
				height := s.confirmed(confirmed)
				pending, watching := s.watched(user), s.watched(user)
				receipt := s.add(user, watching.appointment)
				s.cheat(pending)
				s.answered(pending)

				before := s.info()
				end(s.tower)
				s.tower.Start()
				s.sameTower(before)
				again := s.add(user, watching.appointment)
				if again.Signature != receipt.Signature {
					s.Fatal("another receipt after a restart")
				}

				s.responded(confirmed)
				s.answered(pending)
				s.confirmed(pending)
				s.cheat(watching)
				s.answered(watching)
				s.confirmed(watching)
				s.resolved(confirmed, height)
			})
		})
	}
}

// sameTower demands the identity and the counts from before a restart.
func (s *scene) sameTower(before harness.Info) {
	s.Helper()
	after := s.info()
	if after.TowerID != before.TowerID {
		s.Fatalf("tower %s became %s", before.TowerID, after.TowerID)
	}
	if after.Users != before.Users || after.Appointments != before.Appointments ||
		after.Pending != before.Pending || after.Confirmed != before.Confirmed {
		s.Fatalf("before the restart %+v, after it %+v", before, after)
	}
}

// TestBreachWhileDown: blocks mined while the tower is down are scanned after,
// and the penalty goes out though its dispute is no longer recent.
func TestBreachWhileDown(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			onEveryTower(t, nil, func(s *scene) {
				b := s.watched(s.user(teos.V2))
				end(s.tower)
				s.cheat(b)
				s.node.Mine(30)
				s.tower.Start()
				s.answered(b)
				s.confirmed(b)
			})
		})
	}
}

// TestPenaltyConfirmsWhileDown: the tower finds its penalty in the chain.
func TestPenaltyConfirmsWhileDown(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		s.cheat(b)
		s.answered(b)
		s.tower.Kill()
		s.node.Mine(1)
		s.tower.Start()
		s.settle()
		if info := s.info(); info.Confirmed != 1 {
			s.Fatalf("the penalty confirmed while the tower was down: %+v", info)
		}
		s.responded(b)
	})
}
