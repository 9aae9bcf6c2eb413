package chain_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// wordless is a source that does not say why a block is missing, as lightningd.
type wordless struct{ *chaintest.Chain }

func (w wordless) Block(ctx context.Context, height uint32) ([]byte, error) {
	b, err := w.Chain.Block(ctx, height)
	if errors.Is(err, chain.ErrPruned) {
		return nil, chain.ErrNoBlock
	}
	return b, err
}

// A pruned node looks for a block among its peers, for up to a minute, in the
// lane that lightningd needs: it must not be asked for it again and again.
func TestABlockThatIsGoneBelowTheWindowIsNotAskedForForEver(t *testing.T) {
	inOneBubble(t, 20, func(r *rig) {
		r.source = wordless{r.chain}
		r.chain.Prune(15)
		r.start()
		r.settle()
		r.pass(10 * time.Minute)
		before := r.chain.Calls(chaintest.BlockCall)
		r.pass(time.Hour)
		if n := r.chain.Calls(chaintest.BlockCall) - before; n > 20 {
			t.Errorf("%d blocks fetched in an hour in which nothing happened", n)
		}
		if err := r.follower.Status().Err; err != nil {
			t.Errorf("the follower says %v", err)
		}
	})
}

// Two backends are there so that one may fail, in whatever way.
func TestAPairPublishesThoughOneSourceHangs(t *testing.T) {
	for name, pair := range map[string]func(stalled, good chain.Source) *chain.Pair{
		"first":  newPair,
		"second": func(stalled, good chain.Source) *chain.Pair { return newPair(good, stalled) },
	} {
		t.Run(name, func(t *testing.T) {
			inOneBubble(t, 1, func(r *rig) {
				stalled := chaintest.New()
				stalled.Stall(chaintest.PublishCall, chaintest.Forever)
				ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
				defer cancel()
				tx := chaintest.Bytes(chaintest.Dispute(1))
				if err := pair(stalled, r.chain).Publish(ctx, tx); err != nil {
					t.Errorf("publish: %v", err)
				}
				if n := len(r.chain.Published()); n != 1 {
					t.Errorf("%d transactions published by the source that works", n)
				}
			})
		})
	}
}
