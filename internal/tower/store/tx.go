package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vigil/internal/tower"
)

// tx implements tower.Tx. Each method of it is one statement or a few.
type tx struct {
	ctx    context.Context //nolint:containedctx // a tx lives as long as the call that it serves
	conn   *conn
	memory *memory
	batch  *batch // nil in a view
	// grown is what there is more than at its beginning.
	grown growth
	// committed is called once all of this is durable.
	committed []func()
	// laid is where appointments were added or dropped.
	laid []laid
	// read is how many rows it has read; begun says that it has run a statement,
	// and so that a view has its snapshot.
	read  int64
	begun bool
	// touched are users that it has read or written; shown is what a view knows.
	touched touched
	shown   *snapshot
	// failed is the file's first failure: SQLite may have undone the whole
	// transaction, so nothing of it may be kept, whoever swallows that.
	failed error
}

// statement prepares one, unless the caller has gone. It is not interrupted once
// it runs: see conn.run.
func (t *tx) statement(query string) (*statement, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	t.begun = true
	s, err := t.conn.prepare(query)
	if err == nil && s.changesUsers {
		t.touched.change()
	}
	return s, err
}

// meet notes a failure of the file.
func (t *tx) meet(err error) error {
	if err != nil && t.failed == nil && errors.Is(named(err), tower.ErrStore) {
		t.failed = err
	}
	return err
}

// exec runs a statement and names it in the error.
func (t *tx) exec(what, query string, args ...any) (int64, error) {
	r, err := t.result(query, args)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

func (t *tx) result(query string, args []any) (sql.Result, error) {
	s, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	return r, t.meet(err)
}

// one scans a single row; found is false where there is none.
func (t *tx) one(what, query string, args, dest []any) (found bool, err error) {
	s, err := t.statement(query)
	if err == nil {
		t.read++
		err = t.meet(s.QueryRowContext(context.Background(), args...).Scan(dest...))
	}
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return true, nil
}

// all calls scan for each row.
func (t *tx) all(what, query string, args []any, scan func(*sql.Rows) error) error {
	s, err := t.statement(query)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, t.meet(err))
	}
	defer rows.Close()
	for rows.Next() {
		t.read++
		if err := errors.Join(scan(rows), t.ctx.Err()); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, t.meet(err))
	}
	return nil
}
