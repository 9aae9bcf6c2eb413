package store

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/tower"
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

// raw is a connection of somebody else to a store's file.
func raw(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := open(file, "immediate", 1, pragmas)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestInvariant2EveryConnectionIsDurable(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop() // it uses readers, too
	none := func(tower.Tx) error { return nil }
	if err := db.Update(t.Context(), none); err != nil {
		t.Fatal(err)
	}
	wantPragmas(t, "write", db.writer.sql)
	for range readers {
		if err := db.View(t.Context(), none); err != nil {
			t.Fatal(err)
		}
	}
	for range readers {
		c := <-db.readers
		wantPragmas(t, "read", c.sql)
		db.readers <- c
	}
	// A connection that is given up is replaced by one like it.
	db.writer.drop()
	if err := db.Update(t.Context(), none); err != nil {
		t.Fatal(err)
	}
	wantPragmas(t, "write, again", db.writer.sql)
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
	openFile(t, file)
	if _, err := raw(t, file).ExecContext(t.Context(), `INSERT INTO schema_version (version) VALUES (9999)`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want %v", err, ErrNewer)
	}
}

func TestAMigrationIsAppliedWholeOrNotAtAll(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	openFile(t, file)
	db := raw(t, file)
	var before int
	const count = `SELECT COUNT(*) FROM schema_version`
	if err := db.QueryRowContext(t.Context(), count).Scan(&before); err != nil {
		t.Fatal(err)
	}
	// It fails in its middle: the tables are there already.
	if err := apply(t.Context(), db, "migrations/0001_tower.sql", 2); err == nil {
		t.Fatal("tables were created twice")
	}
	var after int
	if err := db.QueryRowContext(t.Context(), count).Scan(&after); err != nil {
		t.Fatal(err)
	}
	if after != before {
		t.Errorf("a migration that failed was noted: %d instead of %d", after, before)
	}
	if err := migrate(t.Context(), db); err != nil {
		t.Errorf("migrating again: %v", err)
	}
}

// Scans must not depend on how much is stored.
func TestTheQueryOfEveryBlockIsIndexed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	openFile(t, file)
	// By a connection of its own: the keeper's looks may hold all of the store's.
	rows, err := raw(t, file).QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+selectRows, []byte{1})
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
