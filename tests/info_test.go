package tests

import (
	"slices"
	"strings"
	"testing"

	"vigil/internal/teos"
)

// TestInfoCounts: vigil-info tells the operator what the tower holds.
func TestInfoCounts(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		user := s.user(teos.V2)
		b := s.watched(user)
		s.watched(user)
		s.settle()
		info := s.info()
		if info.Access != "open" || info.Knocks != 0 {
			s.Errorf("on loopback vigil-info says access %q, %d knocks", info.Access, info.Knocks)
		}
		if info.Network != "regtest" || info.Height != s.node.Height() || info.Users != 1 || info.Appointments != 2 ||
			info.Pending != 0 || info.Confirmed != 0 || info.Resolved != 0 || info.Lost != 0 {
			s.Fatalf("vigil-info: %+v", info)
		}
		if _, err := teos.ParseUserID(info.TowerID); err != nil || info.TowerID != user.Tower.String() {
			s.Fatalf("tower_id %s (%v), receipts are signed by %v", info.TowerID, err, user.Tower)
		}
		if !slices.ContainsFunc(info.API, func(a string) bool { return strings.HasSuffix(string(s.tower.HTTP()), a) }) {
			s.Fatalf("the API is at %s, vigil-info says %v", s.tower.HTTP(), info.API)
		}
		s.cheat(b)
		s.answered(b)
		if info := s.info(); info.Pending != 1 {
			s.Fatalf("during a breach: %+v", info)
		}
		s.confirmed(b)
		if info := s.info(); info.Confirmed != 1 || info.Pending != 0 {
			s.Fatalf("after the penalty confirmed: %+v", info)
		}
	})
}
