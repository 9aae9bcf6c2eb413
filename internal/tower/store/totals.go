package store

// growth is how much more there is of what is counted.
type growth struct{ appointments, users, bytes int64 }

func (g growth) plus(h growth) growth {
	return growth{g.appointments + h.appointments, g.users + h.users, g.bytes + h.bytes}
}

// count notes how much more there is: counting what there is takes as long as there
// is much.
func (t *tx) count(more growth) error {
	if more == (growth{}) {
		return nil
	}
	n, err := t.exec("count", `
		UPDATE totals SET appointments = appointments + ?, users = users + ?, stored_bytes = stored_bytes + ?`,
		more.appointments, more.users, more.bytes)
	return one(n, err, "count")
}

// counted returns what there is, with what this transaction and those before it in
// the batch have changed.
func (t *tx) counted() (g growth, err error) {
	_, err = t.one("read counts", `SELECT appointments, users, stored_bytes FROM totals`, nil,
		[]any{&g.appointments, &g.users, &g.bytes})
	if t.batch != nil {
		g = g.plus(t.batch.grown)
	}
	g = g.plus(t.grown)
	return growth{max(g.appointments, 0), max(g.users, 0), max(g.bytes, 0)}, err
}

// Totals implements gatekeeper.AccessStore.
func (t *tx) Totals() (users, bytes uint64, err error) {
	g, err := t.counted()
	return uint64(g.users), uint64(g.bytes), err //nolint:gosec // counts
}
