package cln

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
)

// secretName makes the tower's key out of the node's hsm_secret. It never
// changes: with another the tower would have another identity, and no receipt
// it ever gave could be checked.
const secretName = "vigil tower key"

// TowerSecret asks lightningd's makesecret for the tower's private key: the
// same 32 bytes each time for one hsm_secret, so nothing has to be stored and
// a restored node has its old tower again.
func TowerSecret(ctx context.Context, rpc *RPC) (secret [32]byte, err error) {
	var answer struct {
		Secret string `json:"secret"`
	}
	if err := rpc.Call(ctx, "makesecret", map[string]string{"string": secretName}, &answer); err != nil {
		return secret, fmt.Errorf("tower key: %w", err)
	}
	// The error must not name what was answered.
	n, err := hex.Decode(secret[:], []byte(answer.Secret[:min(len(answer.Secret), 64)]))
	if err != nil || n != len(secret) || len(answer.Secret) != 64 {
		return [32]byte{}, errors.New("tower key: makesecret did not answer 32 bytes of hex")
	}
	return secret, nil
}
