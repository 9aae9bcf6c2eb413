package tower

import (
	"context"
	"log/slog"
)

// journal holds what a transaction has to say until it is durable: of one that
// failed, nothing was done, and the same would be said at each new try.
type journal struct {
	log     *slog.Logger
	records []func()
	more    int // that were not kept
}

// maxRecords is how much of one transaction is logged: a block may hold
// thousands of breaches, and most may be a stranger's junk.
const maxRecords = 100

func (j *journal) info(text string, attrs ...any) {
	j.keep(func() { j.log.Info(text, attrs...) })
}

func (j *journal) warn(text string, attrs ...any) {
	j.keep(func() { j.log.Warn(text, attrs...) })
}

func (j *journal) keep(record func()) {
	if len(j.records) == maxRecords {
		j.more++
		return
	}
	j.records = append(j.records, record)
}

// write says it.
func (j *journal) write() {
	for _, record := range j.records {
		record()
	}
	if j.more > 0 {
		j.log.Warn("and more of the same block", "lines", j.more)
	}
}

// change runs f in a transaction. After its commit it says what f had to say,
// and has published what may be due now: also where the commit failed, which
// may be durable all the same.
func (t *Tower) change(ctx context.Context, f func(Tx, *journal) error) error {
	defer t.penaltyDue()
	var j *journal
	err := t.vital(ctx, func(tx Tx) error {
		j = &journal{log: t.log}
		return f(tx, j)
	})
	if err != nil {
		return err
	}
	j.write()
	return nil
}
