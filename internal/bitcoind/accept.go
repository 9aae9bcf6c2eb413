package bitcoind

import (
	"context"
	"encoding/hex"
	"fmt"
)

// TestAccept asks what the mempool would make of a transaction, by
// testmempoolaccept: nothing is broadcast. The answer is the node's own words.
func (c *Client) TestAccept(ctx context.Context, tx []byte) (string, error) {
	const method = "testmempoolaccept"
	var answer []struct {
		Allowed bool   `json:"allowed"` // btcd leaves false out
		Reason  string `json:"reject-reason"`
	}
	// With a fee of any height, as it would be published; btcd wants the parameter.
	err := c.call(ctx, &answer, method, []string{hex.EncodeToString(tx)}, 0)
	if hasCode(err, codeType, codeInvalidParams) { // before bitcoind 0.19
		err = c.call(ctx, &answer, method, []string{hex.EncodeToString(tx)})
	}
	switch {
	case err != nil:
		return "", err
	case len(answer) != 1 || !answer[0].Allowed && answer[0].Reason == "":
		return "", fmt.Errorf("%s: %w: it does not say whether it is allowed", method, ErrBadAnswer)
	case answer[0].Allowed:
		return "allowed", nil
	}
	return clip(answer[0].Reason, maxVerdict), nil
}

// maxVerdict is how much of an answer is told, in bytes.
const maxVerdict = 200
