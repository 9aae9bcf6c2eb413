package watchroom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Door is that through which a request comes in.
type Door string

// The doors.
const (
	HTTP   Door = "http"   // the public API
	RPC    Door = "rpc"    // lightning-cli
	Socket Door = "socket" // the shell
)

// Metrics count what the parts of a tower do. They live as long as the process,
// however often the tower in it is started, and know nothing of who reads them.
// All methods are safe for concurrent use and never block.
type Metrics struct {
	registry *prometheus.Registry

	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	broadcasts   *prometheus.CounterVec
	sourceCalls  *prometheus.CounterVec
	sourceTime   *prometheus.HistogramVec
	storeErrors  *prometheus.CounterVec
	commitSize   prometheus.Histogram
	commitTime   prometheus.Histogram
	blocks       prometheus.Counter
	blockTime    prometheus.Histogram
	reorgs       prometheus.Counter
	lastBlock    prometheus.Gauge // registered with the first block
	blockCounted chan struct{}    // takes one: whether it is registered
}

// Buckets of times, in seconds: from what is answered out of memory to what a
// client waits for at most.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics returns Metrics that also tell of the process, and of a version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("requests_total", "Requests that were answered, by the door through which they came, their method, and what became of them.",
			"door", "method", "outcome"),
		requestTime: times("request_duration_seconds", "Time from a request's arrival as a whole to its answer.", "door", "method"),
		broadcasts: counters("broadcasts_total", "Penalties handed to the Bitcoin backend, by its answer and the class of its reason.",
			"outcome", "reason"),
		sourceCalls: counters("source_calls_total", "Calls of a Bitcoin backend, by what was asked for and what became of it.",
			"source", "call", "outcome"),
		sourceTime:  times("source_call_duration_seconds", "Time that calls of a Bitcoin backend took.", "source", "call"),
		storeErrors: counters("store_errors_total", "Failures of the store: of its file or its disk.", "operation", "kind"),
		commitSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vigil_commit_batch_size", Help: "How many requests and blocks shared a durable commit.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
		}),
		commitTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vigil_commit_duration_seconds", Help: "Time that durable commits took.", Buckets: seconds,
		}),
		blocks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vigil_blocks_processed_total", Help: "Blocks that were processed whole.",
		}),
		blockTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vigil_block_duration_seconds", Help: "Time to process a block that was fetched, its commit included.", Buckets: seconds,
		}),
		reorgs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vigil_reorgs_total", Help: "How often blocks were undone because the chain left them.",
		}),
		lastBlock: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vigil_last_block_processed_timestamp_seconds", Help: "When a block was last processed; not there before this process did one.",
		}),
		blockCounted: make(chan struct{}, 1),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "vigil_build_info", Help: "The program's version; always 1."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.requests, m.requestTime, m.broadcasts, m.sourceCalls, m.sourceTime, m.storeErrors,
		m.commitSize, m.commitTime, m.blocks, m.blockTime, m.reorgs, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin makes what alarms are about be there from the beginning: the first
// failure is a rise then.
func (m *Metrics) begin() {
	for _, operation := range []string{opRead, opWrite} {
		for _, kind := range []string{kindFull, kindDamaged, kindOther} {
			m.storeErrors.WithLabelValues(operation, kind)
		}
	}
	m.broadcasts.WithLabelValues("accepted", "")
	for _, r := range reasons {
		m.broadcasts.WithLabelValues("refused", r.class)
	}
	m.broadcasts.WithLabelValues("refused", reasonOther)
	m.broadcasts.WithLabelValues("failed", reasonUnreachable)
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vigil_" + name, Help: help}, labels)
}

func times(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "vigil_" + name, Help: help, Buckets: seconds}, labels)
}

// Request counts a request that was answered, refused for err if that is not nil.
// Methods that are none count as "other".
func (m *Metrics) Request(door Door, method string, err error, took time.Duration) {
	m.count(door, method, outcome(err), took)
}

// Throttled counts a request that was refused because its address asks too often.
func (m *Metrics) Throttled(door Door, method string, took time.Duration) {
	m.count(door, method, "throttled", took)
}

func (m *Metrics) count(door Door, method, outcome string, took time.Duration) {
	method = known(method)
	m.requests.WithLabelValues(string(door), method, outcome).Inc()
	m.requestTime.WithLabelValues(string(door), method).Observe(took.Seconds())
}

// Broadcast counts the backend's answer to a penalty.
func (m *Metrics) Broadcast(err error) {
	outcome, reason := answered(err)
	m.broadcasts.WithLabelValues(outcome, reason).Inc()
}

// Commit counts a durable commit that several shared.
func (m *Metrics) Commit(together int, took time.Duration) {
	m.commitSize.Observe(float64(together))
	m.commitTime.Observe(took.Seconds())
}
