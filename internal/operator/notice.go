package operator

import (
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// Notice is what other plugins are told of a breach.
type Notice struct {
	TowerID string `json:"tower_id"`
	// Event is what happened; its id tells one that comes twice.
	Event Event `json:"event"`
	// Breach is as it is when the notice is sent; left out where it is gone.
	Breach *Breach `json:"breach,omitempty"`
}

// NewNotice makes a notice of a tower, at the height that it has processed.
func NewNotice(id teos.UserID, n *tower.Notice, height uint32) Notice {
	notice := Notice{TowerID: id.String(), Event: newEvent(&n.Event)}
	if n.Breach != nil {
		breach := newBreach(n.Breach, height)
		notice.Breach = &breach
	}
	return notice
}
