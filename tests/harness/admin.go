package harness

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// AdminDoor is the URL of a tower's admin address.
type AdminDoor string

// Admin waits until a tower tells where its admin address is.
func Admin(t T, tower Tower) AdminDoor {
	t.Helper()
	var address string
	Until(t, "the admin address to be served", func() bool {
		info, err := tower.Info(t.Context())
		address = info.Admin
		return err == nil && address != ""
	})
	return AdminDoor("http://" + address)
}

// Get asks for a path.
func (d AdminDoor) Get(ctx context.Context, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(d)+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// Metrics are what a tower counts, by name and labels as /metrics has them:
// name{label="value"}.
type Metrics map[string]float64

// Metrics returns what the tower counts.
func (d AdminDoor) Metrics(ctx context.Context) (Metrics, error) {
	status, body, err := d.Get(ctx, "/metrics")
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %d, %w", status, err)
	}
	m := Metrics{}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		end := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || end < 0 {
			continue
		}
		if m[line[:end]], err = strconv.ParseFloat(line[end+1:], 64); err != nil {
			return nil, fmt.Errorf("/metrics: %q: %w", line, err)
		}
	}
	return m, nil
}

// Sum adds up all of a name whose labels hold all of some parts, such as
// `outcome="ok"`.
func (m Metrics) Sum(name string, parts ...string) (sum float64) {
	for key, value := range m {
		rest, ours := strings.CutPrefix(key, name)
		if ours && (rest == "" || rest[0] == '{') && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(rest, p) }) {
			sum += value
		}
	}
	return sum
}

// Has tells whether there is anything of a name.
func (m Metrics) Has(name string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(m)), func(key string) bool {
		return key == name || strings.HasPrefix(key, name+"{")
	})
}
