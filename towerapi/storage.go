package towerapi

import "context"

// An appointment that failed for a reason that is not the client's makes the
// store a suspect. A probe decides, not the failure: one request that was too
// slow under load, or one that hit a defect, must not shut everybody out. If
// the probe fails, too, nobody is let in until one succeeds: clients keep
// what they have towards a tower that refuses connections, and lose it over
// most answers (docs/protocol.md, "What the clients in the field do with an
// answer", rule 2).

// awaitTower returns when ctx ends or the tower is ready. A tower without a
// block can take nothing: whoever came would have to come again.
func (s *Server) awaitTower(ctx context.Context) {
	for told := false; ctx.Err() == nil; pause(ctx, s.timing.first) {
		err := s.probe(ctx, false)
		if err == nil {
			return
		}
		if !told && ctx.Err() == nil {
			s.log.Info("the API waits for the tower's first block", "err", cut(err.Error(), maxLogged))
			told = true
		}
	}
}

// suspect asks for a probe. It never blocks: one is as good as many.
func (s *Server) suspect(why error) {
	select {
	case s.suspects <- why:
	default:
	}
}

// watchStore returns when ctx ends or the store fails. It probes, and logs,
// at most once per retry time, however many requests fail.
func (s *Server) watchStore(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case why := <-s.suspects:
			err := s.probe(ctx, true)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				s.setShut(ErrStore)
				s.log.Error("the store fails: the API closes until it works again, and clients keep what they have",
					"err", cut(err.Error(), maxLogged), "first", cut(why.Error(), maxLogged))
				return
			}
			s.log.Warn("an appointment could not be stored, though the store works", "err", cut(why.Error(), maxLogged))
			pause(ctx, s.timing.retry)
		}
	}
}

// awaitStore returns when ctx ends or the store works.
func (s *Server) awaitStore(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, s.timing.retry)
		if ctx.Err() != nil {
			return
		}
		if s.probe(ctx, true) == nil {
			s.log.Warn("the store works again: the API opens")
			return
		}
	}
}

// probe proves that the tower is ready, and with write that the store can
// commit.
func (s *Server) probe(ctx context.Context, write bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.timing.probe)
	defer cancel()
	return s.tower.Ping(ctx, write)
}
