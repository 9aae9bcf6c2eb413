package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openFile(t *testing.T, file string) *DB {
	t.Helper()
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestInvariant2EveryConnectionIsDurable(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	for name, pool := range map[string]*sql.DB{"write": db.write, "read": db.read} {
		held := make([]*sql.Conn, pool.Stats().MaxOpenConnections)
		for i := range held {
			conn, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held[i] = conn
			wantPragmas(t, name, conn)
		}
		for _, conn := range held {
			conn.Close()
		}
	}
	// A connection that a cancelled call broke is replaced by one like it.
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(10*time.Millisecond, cancel)
	defer stop.Stop()
	_, err := db.write.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n`)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	conn, err := db.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantPragmas(t, "write, again", conn)
}

func wantPragmas(t *testing.T, what string, conn *sql.Conn) {
	t.Helper()
	for pragma, want := range map[string]string{
		"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		var got string
		if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: %s is %s, want %s", what, pragma, got, want)
		}
	}
}

func TestAStoreOfANewerVersionIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db := openFile(t, file)
	if _, err := db.write.ExecContext(t.Context(), `INSERT INTO schema_version (version) VALUES (9999)`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want %v", err, ErrNewer)
	}
}

func TestAMigrationIsAppliedWholeOrNotAtAll(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	var before int
	const count = `SELECT COUNT(*) FROM schema_version`
	if err := db.write.QueryRowContext(t.Context(), count).Scan(&before); err != nil {
		t.Fatal(err)
	}
	// It fails in its middle: the tables are there already.
	if err := apply(t.Context(), db.write, "migrations/0001_tower.sql", 2); err == nil {
		t.Fatal("tables were created twice")
	}
	var after int
	if err := db.write.QueryRowContext(t.Context(), count).Scan(&after); err != nil {
		t.Fatal(err)
	}
	if after != before {
		t.Errorf("a migration that failed was noted: %d instead of %d", after, before)
	}
	if err := migrate(t.Context(), db.write); err != nil {
		t.Errorf("migrating again: %v", err)
	}
}

// Scans must not depend on how much is stored.
func TestTheQueryOfEveryBlockIsIndexed(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	rows, err := db.read.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+selectRows+`(?, ?)`, []byte{1}, []byte{2})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := "SEARCH appointments USING COVERING INDEX"; !strings.Contains(plan, want) {
		t.Errorf("plan without %q:\n%s", want, plan)
	}
}
