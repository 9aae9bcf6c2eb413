package operator

import (
	"context"

	"vigil/internal/tower"
)

// Desk is what the operator's methods work on: the core, and what only the whole
// program knows.
type Desk struct {
	Tower *tower.Tower
	// Info completes what the tower knows of itself.
	Info func(ctx context.Context) (tower.Info, error)
}
