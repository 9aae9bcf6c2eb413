package watchroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vigil/internal/operator"
)

// maxScrapes is how many monitors are answered at once.
const maxScrapes = 8

// handler serves every path. Patterns with GET serve HEAD, too; any other method is
// refused by them.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /status.json", s.serveStatus)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true,
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !s.answersTo(r.Host) {
			plain(w, http.StatusMisdirectedRequest, "This address answers to IP addresses, localhost and the names in the option admin-host only: so no web page can read it through a name of its own.")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// answersTo tells whether a request may be for this host. A web page that a browser
// has open can let a name of its own point to this machine (DNS rebinding) and would
// then read all that is here: such a request bears that name. One for an address
// bears none that anybody could have pointed elsewhere.
func (s *Server) answersTo(host string) bool {
	name := strings.ToLower(strings.TrimSuffix(hostOf(host), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "" || name == "localhost" || s.hosts[name]
}

// hostOf is a host without its port and brackets.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the visitor may be gone
}

// serveHealth tells whether the tower's parts run, not whether they get on: who
// restarts a tower because its backend is down only makes it slower.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if _, err := s.current(); err != nil {
		plain(w, http.StatusServiceUnavailable, "not running: "+reasonOf(err))
		return
	}
	plain(w, http.StatusOK, "ok")
}

// serveReady tells whether the tower guards.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	if err := s.ready(r.Context()); err != nil {
		plain(w, http.StatusServiceUnavailable, "not guarding: "+reasonOf(err))
		return
	}
	plain(w, http.StatusOK, "guarding")
}

// maxReason bounds a reason that is shown, in bytes.
const maxReason = 500

func reasonOf(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// status is what the page is made from.
type status struct {
	// Now is this machine's time, ReadAt when the tower told what follows.
	Now    string `json:"now"`
	ReadAt string `json:"read_at,omitempty"`
	// Running says that there is a tower; Trouble why what follows is old or
	// missing.
	Running  bool              `json:"running"`
	Trouble  string            `json:"trouble,omitempty"`
	Info     *operator.Info    `json:"info,omitempty"`
	Events   []operator.Event  `json:"events"`
	Breaches []operator.Breach `json:"breaches"`
	Largest  Largest           `json:"largest"`
}

func (s *Server) status(ctx context.Context) status {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info := s.info.get(ctx)
	events, breaches, largest := s.events.get(ctx), s.breaches.get(ctx), s.largest.get(ctx)
	_, away := s.current()
	st := status{
		Now: time.Now().UTC().Format(time.RFC3339), Running: away == nil,
		Events: orNone(events.value.Events), Breaches: orNone(breaches.value),
		Largest: Largest{orNone(largest.value.Users), largest.value.Of},
	}
	if !info.at.IsZero() {
		st.Info, st.ReadAt = &info.value, info.at.UTC().Format(time.RFC3339)
	}
	for _, err := range []error{away, info.err, events.err, breaches.err, largest.err} {
		if err != nil {
			st.Trouble = reasonOf(err)
			break
		}
	}
	return st
}

// orNone is a list that is encoded as one where there is nothing in it, too.
func orNone[T any](list []T) []T { return append([]T{}, list...) }

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(s.status(r.Context()))
	if err != nil {
		plain(w, http.StatusInternalServerError, errors.Join(err).Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the visitor may be gone
}
