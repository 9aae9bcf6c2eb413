package main

import (
	"strings"
	"testing"

	"vigil/internal/tower"
)

func TestBreachQuery(t *testing.T) {
	for name, c := range map[string]struct {
		params string
		want   tower.BreachQuery
		err    string
	}{
		"nothing":        {`{}`, tower.BreachQuery{Limit: 100}, ""},
		"empty words":    {`{"state":"","limit":"","before":""}`, tower.BreachQuery{Limit: 100}, ""},
		"all":            {`{"state":"lost","limit":"1000","before":"7"}`, tower.BreachQuery{State: tower.Lost, Limit: 1000, Before: 7}, ""},
		"no such state":  {`{"state":"won"}`, tower.BreachQuery{}, `there is no state "won"`},
		"none":           {`{"limit":"0"}`, tower.BreachQuery{}, "limit must be 1 to 1000"},
		"too many":       {`{"limit":"1001"}`, tower.BreachQuery{}, "limit must be 1 to 1000"},
		"no number":      {`{"limit":"x"}`, tower.BreachQuery{}, `limit must be a number, is "x"`},
		"no page":        {`{"before":"-1"}`, tower.BreachQuery{}, "before must be"},
		"before is text": {`{"before":"x"}`, tower.BreachQuery{}, `before must be a number, is "x"`},
		"a list":         {`{"state":["lost"]}`, tower.BreachQuery{}, "state must be a word"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := parsedBreachQuery([]byte(c.params))
			if c.err == "" && (err != nil || r != c.want) {
				t.Errorf("got %+v, %v, want %+v", r, err, c.want)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}
