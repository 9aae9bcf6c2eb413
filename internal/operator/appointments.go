package operator

import (
	"context"
	"math"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

var appointments = Method{
	Name:  "appointments",
	About: "The appointments that the tower watches for, all or those of one user or at one locator, in the order in which they came.",
	Params: []Param{
		ownerOrLocator("of", "Only those of this user (66 hex digits), or at this locator (32 hex digits)."),
		number("limit", "Most appointments to list.", "100", 1, tower.MaxListed),
		number("after", "The \"next\" of the page before.", "", 0, math.MaxInt64),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		q := tower.ListingQuery{Limit: int(arg[int64](a, "limit")), After: arg[int64](a, "after")}
		switch of := a["of"].(type) {
		case teos.UserID:
			q.User = &of
		case teos.Locator:
			q.Locator = &of
		}
		page, err := d.Tower.Appointments(ctx, q)
		return newAppointments(page), err
	},
}

// ownerOrLocator is a parameter that is a teos.UserID or a teos.Locator: their
// lengths tell.
func ownerOrLocator(name, about string) Param {
	id, at := user(name, about), locator(name, about)
	return Param{Name: name, About: about, read: func(name, text string) (any, error) {
		switch len(text) {
		case 2 * teos.UserIDSize:
			return id.read(name, text)
		case 2 * teos.LocatorSize:
			return at.read(name, text)
		}
		return nil, teos.Errorf(teos.WrongType, "%s must be a user's public key, 66 hex digits, or a locator, 32 hex digits", name)
	}}
}

// Appointments is what appointments answers.
type Appointments struct {
	Appointments []ListedAppointment `json:"appointments"`
	Next         int64               `json:"next,omitempty"`
}

// ListedAppointment is what can be told of an appointment: what is in it is
// encrypted.
type ListedAppointment struct {
	Locator     string `json:"locator"`
	UserID      string `json:"user_id"`
	State       string `json:"state"` // watched, or triggered: then it is among the breaches
	Size        int    `json:"size_bytes"`
	Slots       uint32 `json:"slots"`
	ToSelfDelay uint32 `json:"to_self_delay"`
	StartBlock  uint32 `json:"start_block"`
}

func newAppointments(page tower.Listing) Appointments {
	body := Appointments{Appointments: []ListedAppointment{}}
	for _, l := range page.Appointments {
		state := "watched"
		if l.Triggered {
			state = "triggered"
		}
		body.Appointments = append(body.Appointments, ListedAppointment{
			Locator: l.Locator.String(), UserID: l.User.String(), State: state, Size: l.Size, Slots: l.Slots(),
			ToSelfDelay: l.ToSelfDelay, StartBlock: l.StartBlock,
		})
	}
	if page.More {
		body.Next = page.Appointments[len(page.Appointments)-1].Row
	}
	return body
}
