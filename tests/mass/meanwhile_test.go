package mass

import (
	"context"
	"slices"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
)

// addMeanwhile hands appointments in, one after the other, until the function
// that it returns is called; that tells how long they took.
func (s *scene) addMeanwhile() (stop func()) {
	s.Helper()
	user := s.user(teos.V2)
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan []time.Duration, 1)
	go func() {
		var took []time.Duration
		for n := uint32(0); ctx.Err() == nil; n++ {
			a := user.NewAppointment(chainhash.HashH([]byte{byte(n), byte(n >> 8), byte(n >> 16)}), s.penalties[0])
			start := time.Now()
			if _, err := user.Add(s.Context(), a); err != nil {
				s.Errorf("an appointment during the breaches: %v", err)
				break
			}
			took = append(took, time.Since(start))
		}
		done <- took
	}()
	return func() {
		cancel()
		took := <-done
		if len(took) == 0 {
			s.Errorf("no appointment was taken meanwhile")
			return
		}
		slices.Sort(took)
		s.Logf("%d appointments were taken meanwhile: median %v, 99%% under %v, longest %v",
			len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	}
}
