package chain

import (
	"context"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// Call says what a Source was asked for.
type Call string

// What a Source is asked for: each method of it, and that of a BlockHasher.
const (
	CallTip     Call = "tip"
	CallBlock   Call = "block"
	CallHash    Call = "hash"
	CallPublish Call = "publish"
)

// Observe returns a Source that tells of each call to another when it has ended,
// and is otherwise the same: also a BlockHasher and Wide where that one is. tell
// must not block, and is called concurrently.
func Observe(s Source, tell func(what Call, err error, took time.Duration)) Source {
	o := observed{Source: s, tell: tell}
	if hasher, ok := s.(BlockHasher); ok {
		return observedHasher{o, hasher}
	}
	return o
}

type observed struct {
	Source
	tell func(what Call, err error, took time.Duration)
}

func (o observed) Tip(ctx context.Context) (tip Tip, err error) {
	defer o.ended(CallTip, time.Now(), &err)
	return o.Source.Tip(ctx)
}

func (o observed) Block(ctx context.Context, height uint32) (block []byte, err error) {
	defer o.ended(CallBlock, time.Now(), &err)
	return o.Source.Block(ctx, height)
}

func (o observed) Publish(ctx context.Context, tx []byte) (err error) {
	defer o.ended(CallPublish, time.Now(), &err)
	return o.Source.Publish(ctx, tx)
}

// Lanes implements Wide.
func (o observed) Lanes() int {
	if wide, ok := o.Source.(Wide); ok {
		return wide.Lanes()
	}
	return 1
}

func (o observed) ended(what Call, began time.Time, err *error) {
	o.tell(what, *err, time.Since(began))
}

type observedHasher struct {
	observed
	hasher BlockHasher
}

func (o observedHasher) BlockHash(ctx context.Context, height uint32) (hash chainhash.Hash, err error) {
	defer o.ended(CallHash, time.Now(), &err)
	return o.hasher.BlockHash(ctx, height)
}
