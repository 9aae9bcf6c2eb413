package matrix

import (
	"fmt"
	"testing"

	"vigil/tests/harness"
)

// TestLateAppointments: a dispute in any of the recent blocks is answered when
// its appointment comes, one below them is not.
func TestLateAppointments(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		for _, recent := range []int{144, 6, 1, 0} {
			t.Run(fmt.Sprint(recent), func(t *testing.T) {
				t.Parallel()
				s := newScene(t, variant, harness.Options{"recent-blocks": recent})
				late := s.edges(recent)
				s.agrees()
				s.comeLate(late, recent)
			})
		}
	})
}

// TestLateAppointmentsAtANewTower: the same in the first moment of a tower.
func TestLateAppointmentsAtANewTower(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		const recent = 144 // what a tower has where nothing else is asked for
		s := newScene(t, variant, nil)
		late := s.edges(recent)
		s.tower = harness.StartTower(t, variant, s.node, nil)
		s.comeLate(late, recent)
		tip := s.node.Height()
		s.until("the window to be filled", func() bool { return s.info().RecentFrom == tip-recent+1 })
		s.agrees()
	})
}

// edges mines disputes at the edges of the window: by how deep they are, where
// 0 is the tip.
func (s *scene) edges(recent int) map[int]*breach {
	s.Helper()
	u := s.user()
	late := map[int]*breach{}
	for _, depth := range []int{0, 1, recent / 2, recent - 1, recent} {
		if depth >= 0 && late[depth] == nil {
			late[depth] = s.prepared(u, fmt.Sprintf("%d below the tip", depth))
		}
	}
	for depth := recent; depth >= 0; depth-- {
		if b := late[depth]; b != nil {
			s.node.MineBlock(b.dispute)
		} else {
			s.node.MineBlock()
		}
	}
	return late
}

// comeLate hands the appointments in, by a user of the tower that there is now.
func (s *scene) comeLate(late map[int]*breach, recent int) {
	s.Helper()
	u := s.user()
	var inTime []*breach
	for depth, b := range late {
		b.user, b.appointment = u, u.NewAppointment(b.dispute.TxHash(), b.penalty)
		if b.missed = depth >= recent; !b.missed {
			inTime = append(inTime, b)
		}
		s.watch(b)
	}
	s.agrees()
	s.confirms(inTime...)
}
