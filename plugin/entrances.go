package main

import (
	"errors"
	"fmt"
	"strings"

	"vigil/internal/tower"
	"vigil/towerapi"
)

// errNoServer says that there is no API yet.
var errNoServer = errors.New("it is starting")

// doors are the API's listeners.
func (d *daemon) doors(api *towerapi.Server) []towerapi.Entrance {
	if api == nil {
		return []towerapi.Entrance{{Bind: d.settings.api.bind, Err: errNoServer}}
	}
	return api.Entrances()
}

// entrances are all ways in that the options ask for, open or not.
func (d *daemon) entrances(api *towerapi.Server, r *reach) (list []tower.Entrance) {
	for _, e := range d.doors(api) {
		t := tower.Entrance{Kind: overHTTP, Address: e.Bind, Open: e.Addr != "", Closed: reasonOf(e.Err)}
		if e.TLS {
			t.Kind = overHTTPS
		}
		list = append(list, t)
	}
	if r == nil || r.onion == nil {
		return list
	}
	s := r.onion.Status()
	onion := tower.Entrance{Kind: overTor, Address: s.Address, Open: s.Err == nil && list[0].Open, Closed: reasonOf(s.Err)}
	if s.Err == nil && !onion.Open {
		onion.Closed = "what Tor leads to does not listen"
	}
	return append(list, onion)
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return cut(err.Error())
}

// byItself tells whether the API keeps an entrance shut, and opens it again by
// itself.
func byItself(err error) bool {
	return errors.Is(err, towerapi.ErrStore) || errors.Is(err, towerapi.ErrWaiting) || errors.Is(err, errNoServer)
}

// doorWarnings says where users can't come in, and why.
func (d *daemon) doorWarnings(api *towerapi.Server) (list []tower.Warning) {
	for _, e := range d.doors(api) {
		what, option := "the HTTP API does not listen", "api-bind"
		if e.TLS {
			what, option = "the HTTP API does not listen with TLS", "tls-bind"
		}
		switch {
		case e.Addr != "":
		case byItself(e.Err):
			return []tower.Warning{{Kind: tower.WarnAPI, Text: "the HTTP API does not listen: " + reasonOf(e.Err)}}
		default:
			list = append(list, tower.Warning{Kind: tower.WarnAPI, Text: fmt.Sprintf("%s, remote nodes can't hand anything in there: free %s or choose another address (%s); it says: %s",
				what, e.Bind, d.settings.named(option), reasonOf(e.Err))})
		}
	}
	return list
}

// lookAtDoors is a self-test's stage: what should be open is open.
func (c *core) lookAtDoors() (string, error) {
	api := c.api.Load()
	if doors := c.daemon.doors(api); byItself(doors[0].Err) {
		return "closed for now: " + reasonOf(doors[0].Err), nil
	}
	var open []string
	var closed []error
	for _, e := range c.daemon.entrances(api, c.reach.Load()) {
		if e.Open {
			open = append(open, fmt.Sprintf("%s (%s)", e.Address, e.Kind))
		} else {
			closed = append(closed, fmt.Errorf("%s (%s) is closed: %s", e.Address, e.Kind, e.Closed))
		}
	}
	return "open: " + strings.Join(open, ", "), errors.Join(closed...)
}
