package inspector

import (
	"sync/atomic"

	"vigil/internal/teos"
)

// keys remembers some keys that were found to be points on the curve, which
// takes a square root to find out: the inner door asks again for the key that
// the outer one has let through a moment ago, and users come back.
type keys [256]atomic.Pointer[teos.UserID]

// parse is teos.UserIDFromBytes.
func (k *keys) parse(b []byte) (teos.UserID, error) {
	if len(b) != teos.UserIDSize {
		return teos.UserIDFromBytes(b)
	}
	place := &k[b[teos.UserIDSize-1]]
	if known := place.Load(); known != nil && *known == teos.UserID(b) {
		return *known, nil
	}
	user, err := teos.UserIDFromBytes(b)
	if err == nil {
		place.Store(&user)
	}
	return user, err
}
