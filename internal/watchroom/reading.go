package watchroom

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/operator"
	"vigil/internal/tower"
)

// gauges are what the tower says of itself, read when a monitor asks.
type gauges struct{ server *Server }

var (
	descUp       = desc("up", "Whether the tower runs and what it says of itself is new; 0: it does not, or the values below are old.")
	descRead     = desc("reading_timestamp_seconds", "When the tower last told what the values below say.")
	descGuarding = desc("guarding", "Whether the tower sees every block and records what it does.")
	descTower    = desc("tower_info", "Which tower it is; always 1.", "tower_id", "network")
	descBreaches = desc("breaches", "Breaches by state. resolved and lost are over, and only grow.", "state")
	descWarnings = desc("warnings", "How many warnings vigil-info has, by what they are about.", "kind")
	descOpen     = desc("api_listening", "Whether an entrance of the API that is configured is open.", "entrance")
	descBackend  = desc("backend_failing", "Whether a Bitcoin backend has not worked since the start, or not for some minutes; of two, the other is used meanwhile.", "source")
	descLeft     = desc("refused_breach_blocks_left", "Least blocks that may still come until the cheater of a breach whose penalty is refused may spend; not there without one.")
	descBlockAt  = desc("last_block_timestamp_seconds", "When the last processed block was found, as its miner says.")
)

// simple are those that are one number of what info answers.
var simple = []struct {
	desc *prometheus.Desc
	of   func(operator.Info) float64
}{
	{desc("users", "Users, those whose subscription ended lately included."), func(i operator.Info) float64 { return float64(i.Users) }},
	{desc("knocks", "Keys that tried to register and may not."), func(i operator.Info) float64 { return float64(i.Knocks) }},
	{desc("appointments", "Appointments that are guarded, triggered ones included."), func(i operator.Info) float64 { return float64(i.Appointments) }},
	{desc("stored_bytes", "Bytes of all encrypted blobs."), func(i operator.Info) float64 { return float64(i.Stored) }},
	{desc("disk_used_bytes", "Bytes that the tower's files take, the reserve for blocks included."), func(i operator.Info) float64 { return float64(i.DiskUsed) }},
	{desc("disk_free_bytes", "Bytes that are free on the disk of the tower's files."), func(i operator.Info) float64 { return float64(i.DiskFree) }},
	{desc("height", "Height of the last block that was processed."), func(i operator.Info) float64 { return float64(i.Height) }},
	{desc("source_height", "Height of the backend's best block."), func(i operator.Info) float64 { return float64(i.SourceHeight) }},
	{desc("blocks_behind", "Blocks that the backend has and the tower has not processed."), func(i operator.Info) float64 { return float64(i.Behind) }},
	{desc("source_failing", "Whether the chain can't be followed now."), func(i operator.Info) float64 { return truth(i.SourceError != "") }},
	{desc("store_failing", "Whether the store can't be written to now."), func(i operator.Info) float64 { return truth(i.StoreError != "") }},
	{desc("blind_blocks", "Blocks that were never seen."), blind},
	{desc("started_timestamp_seconds", "When the tower was started last."), func(i operator.Info) float64 { return unix(i.Started) }},
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vigil_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descRead, descGuarding, descTower, descBreaches, descWarnings, descOpen, descBackend, descLeft, descBlockAt} {
		ch <- d
	}
	for _, s := range simple {
		ch <- s.desc
	}
}

// Collect implements prometheus.Collector. Where the tower does not answer in time
// it tells what it knew, and that this is old: a monitor must not go blind with it.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	r := g.server.info.get(context.Background())
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(descUp, truth(r.err == nil))
	gauge(descGuarding, truth(r.err == nil && r.value.Guarding))
	if r.at.IsZero() {
		return
	}
	gauge(descRead, float64(r.at.UnixMilli())/1000)
	for _, s := range simple {
		gauge(s.desc, s.of(r.value))
	}
	i := r.value
	gauge(descTower, 1, i.TowerID, i.Network)
	for state, n := range map[string]uint64{
		"pending": i.Pending - min(i.Refused, i.Pending), "refused": i.Refused, "confirmed": i.Confirmed,
		"rivalled": i.Rivalled, "resolved": i.Resolved, "lost": i.Lost,
	} {
		gauge(descBreaches, float64(n), state)
	}
	for kind, n := range warned(i) {
		gauge(descWarnings, n, string(kind))
	}
	for _, e := range i.Entrances {
		gauge(descOpen, truth(e.Open), e.Kind)
	}
	for _, name := range i.Backends {
		gauge(descBackend, truth(i.Fails(name)), name)
	}
	if i.RefusedLeft != nil {
		gauge(descLeft, float64(*i.RefusedLeft))
	}
	if i.LastBlockAt != "" {
		gauge(descBlockAt, unix(i.LastBlockAt))
	}
}

// warned counts warnings by kind, those of which there is none, too.
func warned(i operator.Info) map[tower.WarningKind]float64 {
	n := map[tower.WarningKind]float64{}
	for _, kind := range tower.WarningKinds {
		n[kind] = 0
	}
	for _, kind := range i.WarningKinds {
		n[kind]++
	}
	return n
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(stamp string) float64 {
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return 0
	}
	return float64(at.Unix())
}

func blind(i operator.Info) (n float64) {
	for _, r := range i.Blind {
		n += float64(r.To-r.From) + 1
	}
	return n
}

// ready is nil while the tower guards, and otherwise says why it does not.
func (s *Server) ready(ctx context.Context) error {
	r := s.info.get(ctx)
	switch {
	case r.err != nil:
		return r.err
	case !r.value.Guarding:
		return fmt.Errorf("%s", r.value.NotGuarding)
	}
	return nil
}
