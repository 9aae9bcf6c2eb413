package mass

import (
	"context"
	"slices"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// meanwhile is what a client saw during the breaches.
type meanwhile struct {
	took   []time.Duration
	putOff int // answers that told it to come again
}

// addMeanwhile hands appointments in, one after the other, until the function
// that it returns is called; that tells how long they took. A tower that is too
// busy may put the client off: it comes again, as the field's clients do.
func (s *scene) addMeanwhile() (stop func()) {
	s.Helper()
	user := s.user(teos.V2)
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan meanwhile, 1)
	go func() {
		var m meanwhile
		for n := uint32(0); ctx.Err() == nil; n++ {
			a := user.NewAppointment(chainhash.HashH([]byte{byte(n), byte(n >> 8), byte(n >> 16)}), s.penalties[0])
			if err := m.add(s.Context(), user, a); err != nil {
				s.Errorf("an appointment during the breaches: %v", err)
				break
			}
		}
		done <- m
	}()
	return func() {
		cancel()
		m := <-done
		if len(m.took) == 0 {
			s.Errorf("no appointment was taken meanwhile")
			return
		}
		slices.Sort(m.took)
		s.Logf("%d appointments were taken meanwhile: median %v, 99%% under %v, longest %v; %d times the client was to come again",
			len(m.took), m.took[len(m.took)/2], m.took[len(m.took)*99/100], m.took[len(m.took)-1], m.putOff)
	}
}

// add hands an appointment in until it is taken, or refused for good.
func (m *meanwhile) add(ctx context.Context, user *harness.Client, a teos.Appointment) (err error) {
	harness.Eventually(ctx, harness.Patience, func() bool {
		start := time.Now()
		_, err = user.Add(ctx, a)
		if harness.PutOff(err) {
			m.putOff++
			return false
		}
		if err == nil {
			m.took = append(m.took, time.Since(start))
		}
		return true
	})
	return err
}
