package store_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

// Each released schema has a store in testdata that its own version wrote, with
// the same in each: alice (v2) and bob (v1), registered six times; of seven
// appointments, those of the odd disputes are alice's. Disputes 6 (answered) and
// 7 (lost) are over; 3 is pending, 4 confirmed, 5 rivalled; 1 and 2 are watched.
// docs/releasing.md says how one is added.
func TestStoresOfEverySchemaAreTakenOver(t *testing.T) {
	files, err := filepath.Glob("testdata/schema-*.sqlite.gz")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, packed := range files {
		t.Run(strings.TrimSuffix(filepath.Base(packed), ".sqlite.gz"), func(t *testing.T) {
			db := towertest.Open(t, unpack(t, packed))
			terms := tower.Terms{Terms: gatekeeper.Terms{Slots: 100, Duration: 50}, RecentBlocks: 6}
			w := tower.New(towertest.Key(0), db, terms, towertest.Quiet())
			if err := w.Claim(t.Context(), "regtest"); err != nil {
				t.Fatal(err)
			}
			keptUsers(t, w)
			keptBreaches(t, w)
			goesOn(t, w)
		})
	}
}

func unpack(t *testing.T, packed string) (file string) {
	t.Helper()
	in, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	raw, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	file = towertest.File(t)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// keptAlice and keptBob have 600 slots, of which 1+2+3 and 1+2 are filled.
var (
	keptAlice, keptBob = towertest.NewUser(1, teos.V2), towertest.NewUser(2, teos.V1)
	keptSlots          = map[towertest.User]uint32{keptAlice: 600 - 1 - 2 - 3, keptBob: 600 - 1 - 2}
	keptAppointments   = map[towertest.User]int{keptAlice: 3, keptBob: 2}
)

func keptUsers(t *testing.T, w *tower.Tower) {
	t.Helper()
	for u, slots := range keptSlots {
		s, err := w.GetSubscriptionInfo(t.Context(), u.Subscription(t))
		if err != nil || s.Slots != slots || s.Expiry != 10+6*50 || len(s.Locators) != keptAppointments[u] {
			t.Errorf("%v: %+v, %v", u.Dialect, s, err)
		}
	}
}

func keptBreaches(t *testing.T, w *tower.Tower) {
	t.Helper()
	page, err := w.Breaches(t.Context(), tower.BreachQuery{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	states := map[chainhash.Hash]tower.BreachState{}
	for _, b := range page.Breaches {
		states[b.Dispute.ID] = b.State
		if b.Penalty.ID == (chainhash.Hash{}) || b.User == (teos.UserID{}) {
			t.Errorf("%+v", b)
		}
	}
	for n, want := range map[uint32]tower.BreachState{
		3: tower.Pending, 4: tower.Confirmed, 5: tower.Rivalled, 6: tower.Resolved, 7: tower.Lost,
	} {
		if got := states[chaintest.Dispute(n).TxHash()]; got != want {
			t.Errorf("breach %d is %q, want %q", n, got, want)
		}
	}
	if len(page.Breaches) != 5 || page.Height != 117 {
		t.Errorf("%d breaches at %d", len(page.Breaches), page.Height)
	}
}

// goesOn hands the next block in, with both disputes that are waited for.
func goesOn(t *testing.T, w *tower.Tower) {
	t.Helper()
	tip, found, err := w.Tip(t.Context())
	if err != nil || !found {
		t.Fatal(found, err)
	}
	next := &chain.Block{Height: tip.Height + 1, Hash: chainhash.Hash{1}, Prev: tip.Hash,
		Txs: []chain.Tx{towertest.Tx(chaintest.Dispute(1)), towertest.Tx(chaintest.Dispute(2))}}
	if err := w.Connect(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	info, err := w.Info(t.Context())
	if err != nil || info.Pending != 3 || info.Confirmed != 1 || info.Rivalled != 1 ||
		info.Resolved != 1 || info.Lost != 1 || info.Users != 2 || info.Appointments != 5 {
		t.Errorf("%+v, %v", info, err)
	}
}
