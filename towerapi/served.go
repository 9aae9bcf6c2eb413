package towerapi

import "time"

// Served is a request that was answered.
type Served struct {
	// Method is the name of the endpoint, "" for a path that is none.
	Method string
	// Err is why it was refused; nil if it was not.
	Err error
	// Took is the time from the request's arrival as a whole to its answer; the
	// time of a client that sends or reads slowly is not in it.
	Took time.Duration
}

// tell tells of a request whose head came at a time.
func (s *Server) tell(a answer, began time.Time) {
	if s.served == nil {
		return
	}
	if a.came.IsZero() {
		a.came = began
	}
	s.served(Served{Method: a.method, Err: a.why, Took: time.Since(a.came)})
}
