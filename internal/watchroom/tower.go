package watchroom

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/internal/operator"
)

// Tower answers the operator's questions: see internal/operator.
type Tower interface {
	Ask(ctx context.Context, method string, params []byte) (document []byte, err error)
}

const (
	// shownEvents, shownBreaches and shownUsers are how many the page shows.
	shownEvents   = 30
	shownBreaches = 10
	shownUsers    = 10
	// userPage is how many users are read at once, maxUserPages how often.
	userPage     = 1000
	maxUserPages = 20
)

// How old an answer may be that a visitor gets.
const (
	infoAge = time.Second
	listAge = 2 * time.Second
	userAge = 15 * time.Second
)

// answer asks the tower and decodes what it says.
func answer[T any](ctx context.Context, t Tower, method string, params map[string]any) (document T, err error) {
	question, err := json.Marshal(params)
	if err != nil {
		return document, err
	}
	said, err := t.Ask(ctx, method, question)
	if err != nil {
		return document, err
	}
	if err := json.Unmarshal(said, &document); err != nil {
		return document, fmt.Errorf("%s: %w", method, err)
	}
	return document, nil
}

func askInfo(ctx context.Context, t Tower) (operator.Info, error) {
	return answer[operator.Info](ctx, t, "info", map[string]any{})
}

func askEvents(ctx context.Context, t Tower) (operator.Events, error) {
	return answer[operator.Events](ctx, t, "events", map[string]any{"limit": shownEvents})
}

// askBreaches returns those that are being answered, refused ones first.
func askBreaches(ctx context.Context, t Tower) (list []operator.Breach, err error) {
	for _, state := range []string{"refused", "pending", "rivalled", "confirmed"} {
		page, err := answer[operator.Breaches](ctx, t, "breaches", map[string]any{"state": state, "limit": shownBreaches})
		if err != nil {
			return nil, err
		}
		if list = append(list, page.Breaches...); len(list) >= shownBreaches {
			return list[:shownBreaches], nil
		}
	}
	return list, nil
}

// Largest are the users that have stored most.
type Largest struct {
	Users []operator.User `json:"users"`
	// Of is among how many they were looked for: the first 20,000 at most.
	Of int `json:"of"`
}

func askLargest(ctx context.Context, t Tower) (l Largest, err error) {
	l.Users = []operator.User{}
	var after int64
	for range maxUserPages {
		page, err := answer[operator.Users](ctx, t, "users", map[string]any{"limit": userPage, "after": after})
		if err != nil {
			return l, err
		}
		l.Of += len(page.Users)
		l.Users = append(l.Users, page.Users...)
		slices.SortStableFunc(l.Users, func(a, b operator.User) int { return cmp.Compare(b.Stored, a.Stored) })
		l.Users = l.Users[:min(len(l.Users), shownUsers)]
		if after = page.Next; after == 0 {
			break
		}
	}
	return l, nil
}

// errAway says that there is no tower to ask.
var errAway = errors.New("the tower does not run")
