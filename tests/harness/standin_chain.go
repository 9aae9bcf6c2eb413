package harness

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
)

const (
	// rescanned is how many blocks lightningd announces again at its start.
	rescanned = 30
	// floor is the feerate of a quiet regtest chain, in sat/kvB.
	floor = 1000

	noBackend   = 500  // bcli could not reach the node
	waitTimeout = 2000 // waitblockheight ran out of time
)

// methods are lightningd's own methods that a plugin may call here.
func (s *StandIn) methods() map[string]rpcMethod {
	return map[string]rpcMethod{
		"getinfo":             {nil, s.getInfo},
		"makesecret":          {[]string{"hex?", "string?"}, s.makeSecret},
		"waitblockheight":     {[]string{"blockheight", "timeout?"}, s.waitBlockHeight},
		"getchaininfo":        {[]string{"last_height?"}, s.alone(s.getChainInfo)},
		"getrawblockbyheight": {[]string{"height"}, s.alone(s.getRawBlock)},
		"sendrawtransaction":  {[]string{"tx", "allowhighfees"}, s.alone(s.sendRaw)},
		"estimatefees":        {nil, s.alone(s.estimateFees)},
		"getutxout":           {[]string{"txid", "vout"}, s.alone(s.getUTXOut)},
	}
}

type serve = func(context.Context, map[string]any) (any, error)

// alone holds bcli's lane during a call.
func (s *StandIn) alone(call serve) serve {
	return func(ctx context.Context, params map[string]any) (any, error) {
		s.bcli.Lock()
		defer s.bcli.Unlock()
		return call(ctx, params)
	}
}

func (s *StandIn) getInfo(ctx context.Context, _ map[string]any) (any, error) {
	var height int
	if err := s.node.Call(ctx, &height, "getblockcount"); err != nil {
		height = s.announced()
	}
	key, _ := btcec.PrivKeyFromBytes(s.Seed[:])
	return map[string]any{"id": hex.EncodeToString(key.PubKey().SerializeCompressed()),
		"alias": "STAND-IN", "color": "000000", "network": "regtest", "version": LightningdVersion,
		"blockheight": height, "lightning-dir": s.dir, "address": []any{}, "binding": []any{}}, nil
}

// makeSecret derives a secret from the seed, as lightningd does from hsm_secret.
func (s *StandIn) makeSecret(_ context.Context, params map[string]any) (any, error) {
	text, ok := params["string"].(string)
	info := []byte(text)
	if digits, isHex := params["hex"].(string); isHex {
		var err error
		if info, err = hex.DecodeString(digits); err != nil {
			return nil, err
		}
		ok = true
	}
	if !ok {
		return nil, errors.New("must have either hex or string")
	}
	mac := hmac.New(sha256.New, s.Seed[:])
	_, _ = mac.Write(info) // never fails
	return map[string]any{"secret": hex.EncodeToString(mac.Sum(nil))}, nil
}

func (s *StandIn) waitBlockHeight(ctx context.Context, params map[string]any) (any, error) {
	height, ok := params["blockheight"].(float64)
	if !ok {
		return nil, errors.New("blockheight: should be an integer")
	}
	seconds, ok := params["timeout"].(float64)
	if !ok {
		seconds = 60
	}
	patience := time.Duration(seconds * float64(time.Second))
	if !Eventually(ctx, patience, func() bool { return s.announced() >= int(height) }) {
		return nil, &RPCError{Code: waitTimeout, Message: "Timed out."}
	}
	return map[string]any{"blockheight": s.announced()}, nil
}

func (s *StandIn) getChainInfo(ctx context.Context, _ map[string]any) (any, error) {
	var info struct {
		Chain           string
		Blocks, Headers int
	}
	if err := s.node.Call(ctx, &info, "getblockchaininfo"); err != nil {
		return nil, &RPCError{Code: noBackend, Message: "command failed (" + unreachable(err) + ")"}
	}
	return map[string]any{"chain": info.Chain, "headercount": info.Headers,
		"blockcount": info.Blocks, "ibd": false}, nil
}

// getRawBlock answers nulls above the tip, and nulls too when the node is down.
func (s *StandIn) getRawBlock(ctx context.Context, params map[string]any) (any, error) {
	height, ok := params["height"].(float64)
	if !ok {
		return nil, errors.New("height: should be an integer")
	}
	var hash, block string
	err := s.node.Call(ctx, &hash, "getblockhash", int(height))
	if err == nil {
		err = s.node.Call(ctx, &block, "getblock", hash, 0)
	}
	if err != nil {
		return map[string]any{"blockhash": nil, "block": nil}, nil //nolint:nilerr // as bcli does
	}
	return map[string]any{"blockhash": hash, "block": block}, nil
}

func (s *StandIn) sendRaw(ctx context.Context, params map[string]any) (any, error) {
	tx, ok := params["tx"].(string)
	if !ok {
		return nil, errors.New("tx: should be a string")
	}
	err := s.node.Call(ctx, nil, "sendrawtransaction", tx)
	var refused *RPCError
	switch {
	case err == nil:
		return map[string]any{"success": true, "errmsg": ""}, nil
	case errors.As(err, &refused):
		text := fmt.Sprintf("error code: %d\nerror message:\n%s\n", refused.Code, refused.Message)
		return map[string]any{"success": false, "errmsg": text}, nil
	default:
		return map[string]any{"success": false, "errmsg": unreachable(err)}, nil
	}
}

func (s *StandIn) estimateFees(ctx context.Context, _ map[string]any) (any, error) {
	rates := []map[string]any{}
	if s.node.Call(ctx, nil, "getblockcount") == nil {
		for _, blocks := range []int{2, 6, 12, 100} {
			rates = append(rates, map[string]any{"blocks": blocks, "feerate": floor})
		}
	}
	return map[string]any{"feerates": rates, "feerate_floor": floor}, nil
}

// getUTXOut answers nulls for what is spent, and when the node is down.
func (s *StandIn) getUTXOut(ctx context.Context, params map[string]any) (any, error) {
	var out *struct {
		Value        float64
		ScriptPubKey struct{ Hex string }
	}
	err := s.node.Call(ctx, &out, "gettxout", params["txid"], params["vout"])
	if err != nil || out == nil {
		return map[string]any{"amount": nil, "script": nil}, nil //nolint:nilerr // as bcli does
	}
	return map[string]any{"amount": fmt.Sprintf("%.0fsat", out.Value*1e8), "script": out.ScriptPubKey.Hex}, nil
}

func unreachable(err error) string {
	return "error: timeout on transient error: Could not connect to the server: " + err.Error()
}

// announcer knows which blocks were announced. Its zero value knows none.
type announcer struct {
	mu       sync.Mutex
	height   int
	hashes   map[int]string
	withheld bool
}

// announced is the height that lightningd stands at.
func (s *StandIn) announced() int {
	s.blocks.mu.Lock()
	defer s.blocks.mu.Unlock()
	return s.blocks.height
}

// WithholdBlocks stops block_added notifications, or lets them flow again.
func (s *StandIn) WithholdBlocks(withhold bool) {
	s.blocks.mu.Lock()
	defer s.blocks.mu.Unlock()
	s.blocks.withheld = withhold
}

// rewind lets the last blocks be announced again, as at a start.
func (a *announcer) rewind() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hashes = nil
	a.height = max(0, a.height-rescanned)
}

// announceBlocks polls the node and sends block_added for every block of the
// best chain; nothing says that a block was reorged out.
func (s *StandIn) announceBlocks(ctx context.Context) {
	Eventually(ctx, 24*time.Hour, func() bool {
		if plugin := s.loaded(); plugin != nil {
			_ = s.announceNew(ctx, plugin) // the node may be down
		}
		return false
	})
}

func (s *StandIn) announceNew(ctx context.Context, plugin *pluginConn) error {
	a := &s.blocks
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.withheld {
		return nil
	}
	var tip int
	if err := s.node.Call(ctx, &tip, "getblockcount"); err != nil {
		return err
	}
	if a.hashes == nil {
		a.hashes = map[int]string{}
		a.height = max(0, tip-rescanned)
	}
	for height := min(a.height, tip); ; height-- {
		hash, err := s.hashAt(ctx, height)
		if err != nil {
			return err
		}
		if known, ok := a.hashes[height]; !ok || known == hash {
			a.hashes[height] = hash
			return s.announceAbove(ctx, plugin, height, tip)
		}
	}
}

// announceAbove is called with the announcer locked.
func (s *StandIn) announceAbove(ctx context.Context, plugin *pluginConn, height, tip int) error {
	for height++; height <= tip; height++ {
		hash, err := s.hashAt(ctx, height)
		if err != nil {
			return err
		}
		s.blocks.hashes[height], s.blocks.height = hash, height
		added := map[string]any{"hash": hash, "height": height}
		if err := plugin.notify("block_added", map[string]any{"block_added": added}); err != nil {
			return err
		}
	}
	return nil
}

func (s *StandIn) hashAt(ctx context.Context, height int) (hash string, err error) {
	return hash, s.node.Call(ctx, &hash, "getblockhash", height)
}
