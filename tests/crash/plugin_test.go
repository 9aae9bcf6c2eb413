package crash

import (
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestAPluginOutlastsItsDisk: inside a node nobody starts the tower again by
// hand. It tries by itself until the disk can be written to, and the node is
// served meanwhile.
func TestAPluginOutlastsItsDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	node := harness.StartNode(t, harness.Btcd())
	node.MineTo(firstHeight)
	address := harness.FreeAddress(t)
	lightningd := harness.StartLightningd(t, node, harness.PlainVigil(t), map[string]any{
		"vigil-data-dir": d.data(), "vigil-api-bind": address,
		"vigil-subscription-slots": perRegistration, "vigil-recent-blocks": 0, "vigil-disk-reserve": reserve,
	})
	door := harness.HTTPDoor("http://" + address)
	served := func() bool { return door.Ping(t.Context()) }
	harness.Until(t, "the tower to answer", served)
	l := newLedger(t, teos.V2, door)
	for _, err := range []error{l.register(t), l.add(t, small()), l.add(t, small())} {
		if err != nil {
			t.Fatal(err)
		}
	}
	lightningd.StopPlugin()
	d.remount("ro")
	lightningd.StartPlugin()
	harness.Until(t, "the log to say why", func() bool { return harness.Logged(lightningd, "read-only") })
	if err := lightningd.Call(t.Context(), "vigil-info", map[string]any{}, nil); err == nil {
		t.Error("vigil-info answers although there is no tower")
	}
	d.remount("rw")
	harness.Until(t, "the tower to answer again", served)
	if err := l.audit(t, true); err != nil {
		t.Fatal(err)
	}
	lightningd.StopPlugin()
}
