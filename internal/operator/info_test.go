package operator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vigil/internal/tower"
)

// noon is a time.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func infoOf(change func(*tower.Info)) tower.Info {
	i := tower.Info{
		Network: "bitcoin", Version: "v1", Stats: tower.Stats{Users: 1, Appointments: 2, RecentFrom: 90, Bytes: 532}, Access: "open",
		Height: 100, SourceHeight: 100, API: []string{"127.0.0.1:9814"}, Entrances: []tower.Entrance{{Kind: "http", Address: "127.0.0.1:9814", Open: true}}, Backends: []string{"bitcoind"},
		Since: noon.Add(-48 * time.Hour), Started: noon.Add(-time.Hour), LastBlock: noon.Add(-7 * time.Minute),
		DiskUsed: 65 << 20, DiskFree: 5e9,
	}
	change(&i)
	return i
}

const infoText = `Guarding: yes. 2 appointments of 1 user, up to block 100 of 100. Other nodes
use it by: registertower 02…@host:9814

guarding            yes
tower_id            000000000000000000000000000000000000000000000000000000000000000000
network             bitcoin
version             v1
api                 127.0.0.1:9814
addresses:
  address    kind  register
  host:9814  http  registertower 02…@host:9814
lives_in_node       no
backends            bitcoind
height              100
source_height       100
blocks_behind       0
last_block_at       2026-11-24 11:53:00 UTC, 7 min ago
recent_from         90
blind               none
access              open
knocks              0
users               1
appointments        2
stored_bytes        532 bytes
disk_used_bytes     68.2 MB
disk_free_bytes     5.0 GB
trackers_pending    0
trackers_refused    0
trackers_confirmed  0
trackers_rivalled   0
breaches_resolved   0
breaches_lost       0
since               2026-11-22 12:00:00 UTC, 2 d 0 h ago
started             2026-11-24 11:00:00 UTC, 1 h 0 min ago
uptime_seconds      1 h 0 min
entrances:
  kind  address         open
  http  127.0.0.1:9814  yes
failing_backends    none
warnings            none
warning_kinds       none
cannot              claim HTLC outputs: clients hand in penalties for their
                    peer's balance only
                    raise the fee of a penalty: it is signed by the client
                    answer with states from before the client registered
`

func TestInfoAsText(t *testing.T) {
	m, _ := Find("info")
	addresses := []Address{{Address: "host:9814", Kind: "http", Register: "registertower 02…@host:9814"}}
	document, err := json.Marshal(newInfo(infoOf(func(*tower.Info) {}), addresses, noon))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Text(document, 78, noon)
	if err != nil || got != infoText {
		t.Errorf("%v\n%s\ninstead of\n%s", err, got, infoText)
	}
}

func TestLeadOfInfo(t *testing.T) {
	for _, c := range []struct {
		change func(*tower.Info)
		want   string
	}{
		{func(i *tower.Info) { i.NotGuarding = "its store fails" }, "Guarding: NO, its store fails."},
		{func(i *tower.Info) { i.Pending, i.Lost, i.Warnings = 1, 2, []tower.Warning{{Text: "x"}} },
			"Guarding: yes. 2 appointments of 1 user, up to block 100 of 100. 1 breach is being answered now. 2 breaches were lost. See the 1 warning below."},
		{func(i *tower.Info) { i.Entrances[0] = tower.Entrance{Kind: "http", Closed: "address already in use"} },
			"Guarding: yes, but no other node can hand anything in: the API does not listen. 2 appointments of 1 user, up to block 100 of 100."},
		{func(i *tower.Info) { i.MaxUsers = 2 }, "Guarding: yes. 2 appointments of 1 user, up to block 100 of 100."},
		{func(i *tower.Info) { i.MaxUsers = 1 },
			"Guarding: yes. 2 appointments of 1 user, up to block 100 of 100. It takes no new user: there are as many as max-users lets in."},
		{func(i *tower.Info) { i.Entrances = append(i.Entrances, tower.Entrance{Kind: "https", Closed: "no"}) },
			"Guarding: yes. 2 appointments of 1 user, up to block 100 of 100."},
	} {
		document, err := json.Marshal(newInfo(infoOf(c.change), nil, noon))
		if err != nil {
			t.Fatal(err)
		}
		if got := glance(document); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestATowerInANodeSaysThatItDoesNotGuardIt(t *testing.T) {
	for _, in := range []bool{false, true} {
		got := newInfo(infoOf(func(i *tower.Info) { i.InNode = in }), nil, noon)
		if said := strings.Contains(strings.Join(got.Limits, ";"), cannotInNode); said != in || got.LivesInNode != in {
			t.Errorf("lives in a node: %v, says so: %v", in, said)
		}
	}
}
