package mover

import (
	"compress/gzip"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

// kept unpacks the store of a real teosd that tests/import_test.go made: alice,
// bob and carol, whose keys are the hashes of their names; eight appointments,
// one locator of two users, one updated, blobs of 0, 10 and 100 bytes; a breach
// whose penalty waits in the mempool, and one whose penalty is in block 112.
func kept(t *testing.T) (file string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "regtest")
	must(t, os.Mkdir(dir, 0o700))
	file = filepath.Join(dir, teosFile)
	in, err := os.Open(filepath.Join("testdata", teosFile+".gz"))
	must(t, err)
	defer in.Close()
	raw, err := gzip.NewReader(in)
	must(t, err)
	content, err := io.ReadAll(raw)
	must(t, err)
	must(t, os.WriteFile(file, content, 0o600))
	return file
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// change runs SQL on a store.
func change(t *testing.T, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	must(t, err)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	must(t, db.Close())
}

func open(t *testing.T, path string) *Teos {
	t.Helper()
	s, err := OpenTeos(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func user(name string) teos.UserID {
	seed := sha256.Sum256([]byte(name))
	_, public := btcec.PrivKeyFromBytes(seed[:])
	return teos.NewUserID(public)
}

// target is a tower to move into.
type target struct {
	*tower.Tower
	store tower.Store
}

func newTarget(t *testing.T, s *Teos) *target {
	t.Helper()
	db := towertest.Open(t, towertest.File(t))
	w := tower.New(s.Key, db, tower.Terms{RecentBlocks: 6}, towertest.Quiet())
	must(t, w.Claim(t.Context(), "regtest"))
	return &target{w, db}
}

var base = chain.Header{Height: 100, Hash: chainhash.Hash{1}, Prev: chainhash.Hash{2}}

func (w *target) adopt(t *testing.T, s *Teos) tower.Adopted {
	t.Helper()
	got, err := w.Adopt(t.Context(), tower.Adoption{Promises: s, Base: base})
	must(t, err)
	return got
}

func (w *target) user(t *testing.T, id teos.UserID) (u gatekeeper.User) {
	t.Helper()
	must(t, w.store.View(t.Context(), func(tx tower.Tx) (err error) {
		u, err = tx.User(id)
		return err
	}))
	return u
}

func TestAllOfARealTowerIsTaken(t *testing.T) {
	file := kept(t)
	for _, path := range []string{file, filepath.Dir(file), filepath.Dir(filepath.Dir(file))} {
		s := open(t, path)
		if s.Network != "regtest" || s.LastBlock == nil || s.Greatest != 112 || s.OlderKeys != 0 {
			t.Errorf("%s: %+v", path, s)
		}
		w := newTarget(t, s)
		want := tower.Adopted{NewUsers: 3, New: 8, Breaches: 2, FromHeight: 101}
		if got := w.adopt(t, s); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
		if len(s.NotTaken) != 0 || len(s.Oddities) != 1 || s.Oddities["too small to hold a penalty"] != 2 {
			t.Errorf("%s: %+v", path, s.Findings)
		}
		// An empty blob costs nothing in rust-teos.
		for name, want := range map[string]gatekeeper.User{
			"alice": {Slots: 995, Start: 110, Expiry: 1110}, "bob": {Slots: 1998, Start: 110, Expiry: 2110},
			"carol": {Slots: 1000, Start: 110, Expiry: 1110},
		} {
			got := w.user(t, user(name))
			if got.Slots != want.Slots || got.Start != want.Start || got.Expiry != want.Expiry || got.Dialect != teos.V2 {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
		}
		// Once more, there is nothing new.
		want = tower.Adopted{KnownUsers: 3, Known: 8, FromHeight: 101}
		if got := w.adopt(t, s); got != want {
			t.Errorf("%s again: got %+v, want %+v", path, got, want)
		}
	}
}

func TestATrialKeepsNothing(t *testing.T) {
	s := open(t, kept(t))
	w := newTarget(t, s)
	got, err := w.Adopt(t.Context(), tower.Adoption{Promises: s, Base: base, Dry: true})
	if err != nil || got.New != 8 {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, w.store.View(t.Context(), func(tx tower.Tx) error {
		stats, err := tx.Stats()
		if stats.Users+stats.Appointments+stats.Pending != 0 {
			t.Errorf("%+v", stats)
		}
		return err
	}))
}

// What was promised between two imports comes along, and nothing twice.
func TestOnlyWhatIsNewIsTakenAgain(t *testing.T) {
	file := kept(t)
	s := open(t, file)
	w := newTarget(t, s)
	w.adopt(t, s)
	must(t, s.Close())
	// Carol hands one in, alice renews and updates one, bob's breach is confirmed.
	change(t, file,
		`INSERT INTO appointments SELECT randomblob(20), x'abababababababababababababababab', zeroblob(5000), 20,
			user_signature, 113, (SELECT user_id FROM users WHERE available_slots = 1000) FROM appointments LIMIT 1`,
		`UPDATE users SET available_slots = 997 WHERE available_slots = 1000`,
		`UPDATE users SET available_slots = 1994, subscription_expiry = 2110 WHERE available_slots = 995`,
		`UPDATE appointments SET encrypted_blob = zeroblob(2049), start_block = 113,
			user_signature = (SELECT user_signature FROM appointments WHERE LENGTH(encrypted_blob) = 10)
			WHERE LENGTH(encrypted_blob) = 100`)
	s = open(t, file)
	got := w.adopt(t, s)
	want := tower.Adopted{RenewedUsers: 1, KnownUsers: 2, New: 1, Updated: 1, Known: 7, FromHeight: 101}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if u := w.user(t, user("carol")); u.Slots != 997 || u.Expiry != 1110 {
		t.Errorf("carol: %+v", u)
	}
	// 995 and 5 filled ones, and the empty one that fills one here; 1000 more.
	if u := w.user(t, user("alice")); u.Slots != 1993 || u.Expiry != 2110 {
		t.Errorf("alice: %+v", u)
	}
	if u := w.user(t, user("bob")); u.Slots != 1998 {
		t.Errorf("bob: %+v", u)
	}
}

func TestWhatCanNotBeKeptIsTold(t *testing.T) {
	file := kept(t)
	change(t, file,
		`INSERT INTO users VALUES (x'02ff', 1, 1, 1)`,
		`UPDATE appointments SET user_signature = 'nonsense' WHERE LENGTH(encrypted_blob) = 10`,
		`UPDATE appointments SET locator = x'0102' WHERE LENGTH(encrypted_blob) = 0`,
		`UPDATE appointments SET to_self_delay = -1 WHERE LENGTH(encrypted_blob) = 100`,
		`UPDATE appointments SET to_self_delay = 21 WHERE LENGTH(encrypted_blob) = 500`,
		`UPDATE trackers SET penalty_tx = x'00' WHERE confirmed`)
	s := open(t, file)
	got := newTarget(t, s).adopt(t, s)
	if want := (tower.Adopted{NewUsers: 3, New: 5, Breaches: 1, FromHeight: 101}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(s.NotTaken) != 4 || s.Oddities["not signed by its user"] != 1 || len(s.Oddities) != 2 {
		t.Errorf("%+v", s.Findings)
	}
}

// A row whose numbers can't be is left, alone, and says nothing of how far the other
// tower was. A breach that can't be read is no reason to leave its appointment.
func TestNumbersOutOfRangeLeaveTheirRowOnly(t *testing.T) {
	const alice, carol = `(SELECT user_id FROM users WHERE available_slots = 995)`, `(SELECT user_id FROM users WHERE available_slots = 1000)`
	for name, c := range map[string]struct {
		sql                 string
		users, appointments int
		odd                 string
	}{
		"start block over":  {sql: `UPDATE appointments SET start_block = 4294967296 WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"start block under": {sql: `UPDATE appointments SET start_block = -1 WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"start block huge":  {sql: `UPDATE appointments SET start_block = 9223372036854775807 WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"start block text":  {sql: `UPDATE appointments SET start_block = 'soon' WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"start block real":  {sql: `UPDATE appointments SET start_block = 1.5 WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"start block blob":  {sql: `UPDATE appointments SET start_block = x'ff' WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"delay over":        {sql: `UPDATE appointments SET to_self_delay = 4294967296 WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"delay text":        {sql: `UPDATE appointments SET to_self_delay = 'x' WHERE LENGTH(encrypted_blob) = 10`, appointments: 1},
		"greatest numbers":  {sql: `UPDATE appointments SET to_self_delay = 4294967295 WHERE LENGTH(encrypted_blob) = 10`, odd: "not signed by its user"},
		"height over":       {sql: `UPDATE trackers SET height = 4294967296 WHERE confirmed`, odd: unreadTracker},
		"height text":       {sql: `UPDATE trackers SET height = 'x' WHERE confirmed`, odd: unreadTracker},
		"subscription over": {sql: `UPDATE users SET subscription_start = 4294967296 WHERE user_id = ` + carol, users: 1},
		"slots under":       {sql: `UPDATE users SET available_slots = -1 WHERE user_id = ` + carol, users: 1},
		"expiry text":       {sql: `UPDATE users SET subscription_expiry = 'x' WHERE user_id = ` + carol, users: 1},
		"with appointments": {sql: `UPDATE users SET subscription_expiry = 4294967296 WHERE user_id = ` + alice, users: 1, appointments: 6},
	} {
		t.Run(name, func(t *testing.T) {
			file := kept(t)
			change(t, file, c.sql)
			s := open(t, file)
			if s.Greatest != 112 && s.Greatest != 110 {
				t.Errorf("the greatest height is %d", s.Greatest)
			}
			got := newTarget(t, s).adopt(t, s)
			if got.NewUsers != 3-c.users || got.New != 8-c.appointments {
				t.Errorf("taken: %+v", got)
			}
			if s.LeftUsers != c.users || s.LeftAppointments != c.appointments || len(s.NotTaken) != c.users+c.appointments {
				t.Errorf("left: %+v", s.Findings)
			}
			if c.odd != "" && s.Oddities[c.odd] != 1 {
				t.Errorf("odd: %+v", s.Findings)
			}
			for _, left := range s.NotTaken {
				if strings.Contains(left, "Scan") {
					t.Errorf("not in an operator's words: %s", left)
				}
			}
		})
	}
}

func TestAllThatIsLeftIsCounted(t *testing.T) {
	file := kept(t)
	change(t, file, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
		INSERT INTO users SELECT x'02' || CAST(i AS BLOB), 1, 1, 1 FROM n`)
	s := open(t, file)
	newTarget(t, s).adopt(t, s)
	if s.LeftUsers != 250 || s.LeftAppointments != 0 || len(s.NotTaken) != MaxFindings {
		t.Errorf("%d users, %d appointments, %d of them told", s.LeftUsers, s.LeftAppointments, len(s.NotTaken))
	}
}

func TestAStoreThatIsNoneIsRefused(t *testing.T) {
	for name, spoil := range map[string]struct {
		spoil func(t *testing.T, file string)
		want  error
	}{
		"gone":        {func(t *testing.T, file string) { must(t, os.Remove(file)) }, ErrNoTeos},
		"of another":  {func(t *testing.T, file string) { change(t, file, `DROP TABLE keys`) }, ErrNotTeos},
		"without key": {func(t *testing.T, file string) { change(t, file, `DELETE FROM keys`) }, ErrNotTeos},
		"bad key":     {func(t *testing.T, file string) { change(t, file, `UPDATE keys SET key = '00'`) }, ErrNotTeos},
		"damaged": {func(t *testing.T, file string) {
			must(t, os.Truncate(file, 20_000))
		}, ErrNotTeos},
		"with a journal": {func(t *testing.T, file string) {
			must(t, os.WriteFile(file+"-journal", []byte("x"), 0o600))
		}, ErrUnclean},
		"of several": {func(t *testing.T, file string) {
			dir := filepath.Join(filepath.Dir(filepath.Dir(file)), "main")
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, teosFile), nil, 0o600))
		}, ErrSeveral},
	} {
		t.Run(name, func(t *testing.T) {
			file := kept(t)
			spoil.spoil(t, file)
			s, err := OpenTeos(t.Context(), filepath.Dir(filepath.Dir(file)))
			if !errors.Is(err, spoil.want) {
				t.Errorf("got %v, %v, want %v", s, err, spoil.want)
			}
		})
	}
}

// What there is instead is named as its user would.
func TestWhereThereIsNoStoreItIsSaidInWords(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenTeos(t.Context(), filepath.Join(dir, "none"))
	if !errors.Is(err, ErrNoTeos) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "none")+": no such file or directory: name the data directory") {
		t.Errorf("got %v", err)
	}
	var files []string
	for _, network := range []string{"main", "regtest"} {
		files = append(files, filepath.Join(dir, network, teosFile))
		must(t, os.Mkdir(filepath.Join(dir, network), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, network, teosFile), nil, 0o600))
	}
	if _, err := OpenTeos(t.Context(), dir); err == nil || !strings.HasSuffix(err.Error(), ": "+files[0]+", "+files[1]) {
		t.Errorf("got %v", err)
	}
}

// The source is read only: not a byte changes, and nothing appears beside it.
func TestTheSourceIsLeftAsItIs(t *testing.T) {
	file := kept(t)
	before, err := os.ReadFile(file)
	must(t, err)
	must(t, os.Chmod(file, 0o400))
	s := open(t, file)
	newTarget(t, s).adopt(t, s)
	must(t, s.Close())
	after, err := os.ReadFile(file)
	must(t, err)
	entries, err := os.ReadDir(filepath.Dir(file))
	must(t, err)
	if string(before) != string(after) || len(entries) != 1 {
		t.Errorf("changed: %v, and there are %v", string(before) != string(after), entries)
	}
}

func TestAnOpenStoreIsSeen(t *testing.T) {
	file := kept(t)
	if pid := openBy(file); pid != 0 {
		t.Errorf("process %d has %s open", pid, file)
	}
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("NOT RUN here: this system does not tell of open files")
	}
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	if pid := openBy(file); pid != 0 {
		t.Errorf("process %d is this one", pid)
	}
	other := exec.Command("sleep", "60")
	other.ExtraFiles = []*os.File{f}
	must(t, other.Start())
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	if pid := openBy(file); pid != other.Process.Pid {
		t.Errorf("process %d has it open, want %d", pid, other.Process.Pid)
	}
	if _, err := OpenTeos(t.Context(), file); !errors.Is(err, ErrRunning) {
		t.Errorf("got %v, want %v", err, ErrRunning)
	}
}
