package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/internal/tower/watcher"
)

// A large store is built by the product's own store, without the signatures
// that would take hours: what lies in it looks like what users hand in.
const (
	// batchSize is how many appointments are stored in one commit.
	batchSize = 10_000
	// strangers share what heavy, light and leaving users do not have.
	strangers = 1000
	// leavers are users whose subscriptions end at block leaveAt. They came
	// early: they hold every second one of the first fifth of the appointments,
	// one in ten of all.
	leavers    = 20
	leaveAt    = 400
	leaveEarly = 5
	leaveOf    = 2 * leaveEarly
	// heavyOf is which share of all a single user holds: one in ten.
	heavyOf = 10
	// few is how many appointments the light user has.
	few = 10
)

var (
	heavyUser = newUser(teos.V2, "heavy")
	lightUser = newUser(teos.V2, "light")
)

// stored returns the directory of a store with so many appointments, which is
// built where the cache does not hold it for this schema.
func (b *bench) stored(cache string, size int) string {
	b.Helper()
	dir := filepath.Join(cache, fmt.Sprintf("%d-%s", size, b.schema()))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	outdated, err := filepath.Glob(filepath.Join(cache, fmt.Sprint(size, "-*")))
	b.check("look for stores of other schemas", err)
	for _, other := range outdated {
		b.check("remove a store of another schema", os.RemoveAll(other))
	}
	building := dir + ".building"
	b.check("make the cache", os.MkdirAll(building, 0o755))
	b.build(filepath.Join(building, "tower.sqlite"), size)
	b.check("keep the store", os.Rename(building, dir))
	return dir
}

// schema is a name for the schema as it is now, and for what is put into it.
func (b *bench) schema() string {
	b.Helper()
	files, err := filepath.Glob("internal/tower/store/migrations/*")
	b.check("list the migrations", err)
	if len(files) == 0 {
		b.Fatalf("there are no migrations: run this at the repository's root")
	}
	sum := sha256.New()
	fmt.Fprintln(sum, blobSize, strangers, leavers, leaveAt, leaveEarly, leaveOf, heavyOf, few)
	for _, file := range files {
		text, err := os.ReadFile(file)
		b.check("read a migration", err)
		_, _ = sum.Write(text) // never fails
	}
	return hex.EncodeToString(sum.Sum(nil)[:4])
}

func (b *bench) build(file string, size int) {
	b.Helper()
	db, err := store.Open(b.ctx, file)
	b.check("open a store", err)
	rows := b.settlers(db, size)
	for done := 0; done < size; done += batchSize {
		if done%(max(size/20, batchSize)) == 0 {
			b.say("building a store: %d of %d appointments", done, size)
		}
		b.check("store appointments", db.Update(b.ctx, func(tx tower.Tx) error {
			for i := done; i < min(done+batchSize, size); i++ {
				if _, err := tx.PutAppointment(anAppointment(rows.of(i))); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	b.check("close the store", db.Close())
}

// anAppointment is one as users hand in, but for its signature and its blob.
func anAppointment(userRow int64) watcher.Appointment {
	a := watcher.Appointment{UserRow: userRow, StartBlock: 100}
	a.EncryptedBlob, a.ToSelfDelay = make([]byte, blobSize), 144
	fill(a.EncryptedBlob)
	fill(a.Locator[:])
	fill(a.UserSignature[:])
	a.UserSignature[0] = 31
	return a
}

// fill is faster than crypto/rand, which is what counts for gigabytes.
func fill(p []byte) {
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
}

// settlers are the rows of those who hold the appointments.
type settlers struct {
	size              int
	heavy, light      int64
	leaving, stranger []int64
}

// of tells who holds the i-th appointment.
func (s settlers) of(i int) int64 {
	switch {
	case i < few:
		return s.light
	case i%heavyOf == 0:
		return s.heavy
	case i < s.size/leaveEarly && i%2 == 1:
		return s.leaving[rand.IntN(len(s.leaving))]
	}
	return s.stranger[rand.IntN(len(s.stranger))]
}

func (b *bench) settlers(db *store.DB, size int) (s settlers) {
	b.Helper()
	s.size = size
	b.check("store users", db.Update(b.ctx, func(tx tower.Tx) (err error) {
		put := func(id teos.UserID, expiry uint32) (row int64) {
			if err == nil {
				row, err = putUser(tx, id, expiry)
			}
			return row
		}
		const never = 1_000_000_000
		s.heavy, s.light = put(heavyUser.id, never), put(lightUser.id, never)
		for range leavers {
			s.leaving = append(s.leaving, put(strangerID(), leaveAt))
		}
		for range strangers {
			s.stranger = append(s.stranger, put(strangerID(), never))
		}
		return err
	}))
	return s
}

func putUser(tx tower.Tx, id teos.UserID, expiry uint32) (row int64, err error) {
	u := gatekeeper.User{ID: id, Dialect: teos.V2, Slots: 1_000_000, Expiry: expiry}
	if err := tx.PutUser(u); err != nil {
		return 0, err
	}
	u, err = tx.User(id)
	return u.Row, err
}

// copyStore copies a store to where it may change.
func (b *bench) copyStore(from, to string) {
	b.Helper()
	b.check("make a directory", os.MkdirAll(to, 0o700))
	in, err := os.Open(filepath.Join(from, "tower.sqlite"))
	b.check("open the store", err)
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(to, "tower.sqlite"), os.O_CREATE|os.O_WRONLY, 0o600)
	b.check("make a copy", err)
	_, err = io.Copy(out, in)
	b.check("copy the store", err)
	b.check("sync the copy", out.Sync())
	b.check("close the copy", out.Close())
}

// diskOf is how many bytes a store takes, without the log beside it.
func (b *bench) diskOf(dir string) int64 {
	b.Helper()
	info, err := os.Stat(filepath.Join(dir, "tower.sqlite"))
	b.check("look at the store", err)
	return info.Size()
}
