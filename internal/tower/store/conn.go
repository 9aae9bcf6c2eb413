package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"vigil/internal/tower"
)

// conn is one connection with its prepared statements. One goroutine uses it at
// a time.
type conn struct {
	db         *sql.DB
	sql        *sql.Conn // nil until it is needed, and after it failed
	statements map[string]*statement
}

type statement struct {
	*sql.Stmt
	changesUsers bool // see there
}

func newConn(db *sql.DB) *conn { return &conn{db: db} }

// begin begins a transaction. Waiting for a lock ends with ctx.
func (c *conn) begin(ctx context.Context, how string) (err error) {
	if err := ctx.Err(); err != nil {
		return err // the connection is as it was
	}
	if c.sql == nil {
		if c.sql, err = c.db.Conn(ctx); err != nil {
			c.sql = nil
			return fmt.Errorf("connect: %w", err)
		}
		c.statements = map[string]*statement{}
	}
	s, err := c.prepare(how)
	if err == nil {
		_, err = s.ExecContext(ctx)
	}
	if err != nil {
		c.drop()
		return fmt.Errorf("begin a transaction: %w", errors.Join(err, ctx.Err()))
	}
	return nil
}

// end rolls the transaction back, and says whether it is certain that nothing of it was
// committed. SQLite has done so by itself after some failures: then one can begin anew,
// and where the disk was only full, or a page damaged, nothing else is wrong.
func (c *conn) end(why error) (undone bool) {
	if c.run("ROLLBACK") == nil {
		return true
	}
	why = named(why)
	passes := errors.Is(why, tower.ErrFull) || errors.Is(why, tower.ErrDamaged)
	if passes && c.run("BEGIN") == nil && c.run("ROLLBACK") == nil {
		return true
	}
	c.drop()
	return false
}

// run executes a statement that nothing may interrupt: SQLite undoes a whole
// transaction in which one was.
func (c *conn) run(query string) error {
	s, err := c.prepare(query)
	if err == nil {
		_, err = s.ExecContext(context.Background())
	}
	return err
}

func (c *conn) prepare(query string) (*statement, error) {
	if s := c.statements[query]; s != nil {
		return s, nil
	}
	prepared, err := c.sql.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	s := &statement{prepared, changesUsers(query)}
	c.statements[query] = s
	return s, nil
}

// drop gives a connection up whose state is not known: the next transaction
// begins on a new one, and whatever was open on this one is undone.
func (c *conn) drop() {
	if c.sql == nil {
		return
	}
	for _, s := range c.statements {
		_ = s.Close()
	}
	_ = c.sql.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.sql.Close()
	c.sql, c.statements = nil, nil
}

func (c *conn) close() (err error) {
	if c.sql == nil {
		return nil
	}
	for _, s := range c.statements {
		err = errors.Join(err, s.Close())
	}
	err = errors.Join(err, c.sql.Close())
	c.sql = nil
	return err
}
