package operator

import (
	"context"
	"math"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

var userMethods = []Method{users, oneUser, appointments}

var users = Method{
	Name:  "users",
	About: "Who uses the tower: what each has handed in, what is left to it, and until when, in the order in which they came.",
	Params: []Param{
		number("limit", "Most users to list.", "100", 1, tower.MaxPage),
		number("after", "The \"next\" of the page before.", "", 0, math.MaxInt64),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		page, err := d.Tower.Users(ctx, tower.PageQuery{After: arg[int64](a, "after"), Limit: int(arg[int64](a, "limit"))})
		if err != nil {
			return nil, err
		}
		height, users, err := describe(ctx, d.Tower, page.Entries...)
		body := Users{Height: height, Users: users}
		if page.More {
			body.Next = page.Entries[len(page.Entries)-1].Row
		}
		return body, err
	},
}

var oneUser = Method{
	Name:   "user",
	About:  "One user: what it has handed in, what is left to it, and until when.",
	Params: []Param{required(user("user", "Its public key, in hex."))},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		u, err := d.Tower.UserOf(ctx, arg[teos.UserID](a, "user"))
		if err != nil {
			return nil, err
		}
		height, users, err := describe(ctx, d.Tower, u)
		if err != nil {
			return nil, err
		}
		return UserAt{height, users[0]}, nil
	},
}

// describe returns users as the operator sees them at a height.
func describe(ctx context.Context, t *tower.Tower, users ...gatekeeper.User) (height uint32, list []User, err error) {
	if height, err = heightOf(ctx, t); err != nil {
		return 0, nil, err
	}
	decided, err := t.Admissions(ctx, users...)
	list = []User{}
	for _, u := range users {
		list = append(list, newUser(u, decided[u.ID], height))
	}
	return height, list, err
}

func heightOf(ctx context.Context, t *tower.Tower) (uint32, error) {
	tip, _, err := t.Tip(ctx)
	return tip.Height, err
}

// Users is what users answers.
type Users struct {
	Height uint32 `json:"height"`
	Users  []User `json:"users"`
	Next   int64  `json:"next,omitempty"`
}

// UserAt is what user answers.
type UserAt struct {
	Height uint32 `json:"height"`
	User
}

// User is a user as the operator sees it. Heights are block heights, times are as
// by RFC 3339.
type User struct {
	UserID          string `json:"user_id"`
	Note            string `json:"note,omitempty"`
	State           string `json:"state"` // active, or over
	Disallowed      bool   `json:"disallowed,omitempty"`
	Appointments    uint64 `json:"appointments"`
	Stored          uint64 `json:"stored_bytes"`
	Filled          uint64 `json:"filled_slots"`
	Available       uint32 `json:"available_slots"`
	Start           uint32 `json:"subscription_start"`
	Expiry          uint32 `json:"subscription_expiry"`
	BlocksLeft      uint32 `json:"blocks_left"`
	Since           string `json:"since,omitempty"`
	LastAppointment string `json:"last_appointment_at,omitempty"`
	Dialect         string `json:"dialect"`
}

func newUser(u gatekeeper.User, a gatekeeper.Admission, height uint32) User {
	body := User{
		UserID: u.ID.String(), Note: a.Note, State: "over", Disallowed: a.Refused, Appointments: u.Appointments, Stored: u.Bytes,
		Filled: u.Filled, Available: u.Slots, Start: u.Start, Expiry: u.Expiry,
		Since: seconds(u.Since), LastAppointment: seconds(u.LastAppointment), Dialect: u.Dialect.String(),
	}
	if u.Expiry > height {
		body.State, body.BlocksLeft = "active", u.Expiry-height
	}
	return body
}

// seconds is a Unix time as documents have it; "" where it is not known.
func seconds(unix int64) string {
	if unix == 0 {
		return ""
	}
	return stamp(time.Unix(unix, 0))
}
