package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer says that a newer version of the program wrote the store.
var ErrNewer = errors.New("the store was written by a newer version of vigil: run that version")

// migrate brings the schema up to date. Migrations are applied in the order of
// their names, each in a transaction with the note that it was; how many were
// is the schema's version.
func migrate(ctx context.Context, db *sql.DB) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`
	if _, err := db.ExecContext(ctx, table); err != nil {
		return err
	}
	names, err := pending(ctx, db)
	if err != nil {
		return err
	}
	for i, name := range names {
		if err := apply(ctx, db, name, Schema()-len(names)+i+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Schema is the version of the schema that this program writes.
func Schema() int { return len(allMigrations()) }

func allMigrations() []string {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	slices.Sort(names)
	return names
}

// pending returns the migrations that a store still needs, or ErrNewer.
func pending(ctx context.Context, db *sql.DB) ([]string, error) {
	var version int
	const query = `SELECT COALESCE(MAX(version), 0) FROM schema_version`
	if err := db.QueryRowContext(ctx, query).Scan(&version); err != nil {
		return nil, err
	}
	names := allMigrations()
	if version > len(names) {
		return nil, fmt.Errorf("%w (schema %d, known %d)", ErrNewer, version, len(names))
	}
	return names[version:], nil
}

func apply(ctx context.Context, db *sql.DB, name string, version int) error {
	script, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to undo
	if _, err := tx.ExecContext(ctx, string(script)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES (?)`, version); err != nil {
		return err
	}
	return tx.Commit()
}
