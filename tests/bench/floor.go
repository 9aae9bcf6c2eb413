package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/tests/harness"
)

// floor is what others are held against: what can't be saved.
type floor struct {
	signing
	write time.Duration // one durable write of 4 KiB, wall
	// CPU of one small change through the store and of one request to a bare HTTP
	// server: alone, and with askers at once.
	commit, http map[int]time.Duration
}

// signing is what signatures take.
type signing struct {
	pair      // by btcec
	own  pair // as the tower does it
}

// pair is the CPU of one recovery and of one signature.
type pair struct{ recover, sign time.Duration }

// both is an appointment's.
func (p pair) both() time.Duration { return p.recover + p.sign }

// measureSigning measures both, with so many messages.
func measureSigning(n int) signing { return signing{signatures(n), ownSignatures(n)} }

func (s signing) plus(o signing) signing {
	return signing{s.pair.plus(o.pair), s.own.plus(o.own)}
}

func (p pair) plus(q pair) pair { return pair{p.recover + q.recover, p.sign + q.sign} }

func (s signing) over(n int) signing { return signing{s.pair.over(n), s.own.over(n)} }

func (p pair) over(n int) pair {
	return pair{p.recover / time.Duration(n), p.sign / time.Duration(n)}
}

func (b *bench) measureFloor() {
	b.say("signatures and the disk by themselves")
	b.floor.signing = measureSigning(different)
	b.floor.write = b.durableWrite()
	b.floor.commit, b.floor.http = map[int]time.Duration{}, map[int]time.Duration{}
	b.alone(func(b *bench) {
		bare := b.startBare()
		for _, n := range []int{1, askers} {
			b.floor.commit[n], b.floor.http[n] = b.smallCommits(n), b.bareHTTP(bare, n)
		}
	})
	b.table.tell("", "one recovery / one signature by btcec, CPU", "%s / %s", short(b.floor.recover), short(b.floor.sign))
	own := b.floor.own
	b.table.tell("", "one recovery / one signature as in the tower, CPU", "%s / %s", short(own.recover), short(own.sign))
	b.table.tell("", "one durable write of 4 KiB, median", "%s", short(b.floor.write))
	commit, http := b.floor.commit, b.floor.http
	b.table.tell("", "one small change through the store, alone / 8 at once, CPU", "%s / %s", short(commit[1]), short(commit[askers]))
	b.table.tell("", "one request to a bare HTTP server, alone / 8 at once, CPU", "%s / %s", short(http[1]), short(http[askers]))
}

// different is of how many messages signatures are measured: a processor learns the way
// that one takes.
const different = 2000

// signatures measures btcec.
func signatures(n int) pair {
	key, _ := btcec.PrivKeyFromBytes(hashOf("floor"))
	digests := make([][]byte, n)
	for i := range digests {
		digests[i] = hashOf(fmt.Sprint("digest ", i))
	}
	made := make([][]byte, n)
	return pair{
		sign:    threadTime(n, func(i int) { made[i] = ecdsa.SignCompact(key, digests[i], true) }),
		recover: threadTime(n, func(i int) { _, _, _ = ecdsa.RecoverCompact(made[i], digests[i]) }),
	}
}

// ownSignatures measures what is built into this program and into the tower, the hash
// of a short message included.
func ownSignatures(n int) pair {
	key, _ := btcec.PrivKeyFromBytes(hashOf("floor"))
	made := make([]teos.Signature, n)
	message := func(i int) []byte { return fmt.Append(nil, "message ", i) }
	return pair{
		sign:    threadTime(n, func(i int) { made[i] = teos.Sign(key, message(i)) }),
		recover: threadTime(n, func(i int) { _, _ = teos.Recover(message(i), made[i]) }),
	}
}

// library is what signs and recovers in the tower.
func library() string {
	const other = "libsecp256k1"
	if slices.Contains(strings.Split(harness.Tags(), ","), other) {
		return other
	}
	return "btcec, keys recovered with gnark-crypto's arithmetic"
}

func hashOf(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

// threadTime is the CPU time that f takes on one thread, the mean of n calls.
func threadTime(n int, f func(i int)) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const thread = 1 // RUSAGE_THREAD
	f(0)
	before := cpuUsed(thread)
	for i := range n {
		f(i)
	}
	return (cpuUsed(thread) - before) / time.Duration(n)
}

func cpuUsed(who int) time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(who, &usage) // it can't fail for who it is
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (b *bench) durableWrite() time.Duration {
	f, err := os.Create(filepath.Join(harness.Dir(b), "file"))
	b.check("make a file", err)
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	for range 500 {
		start := time.Now()
		_, err := f.Write(page)
		b.check("write a page", err)
		b.check("sync a page", f.Sync())
		took = append(took, time.Since(start))
	}
	return quantile(took, 0.5)
}

// smallCommits stores users, so many at once.
func (b *bench) smallCommits(writers int) time.Duration {
	db, err := store.Open(b.ctx, filepath.Join(harness.Dir(b), "tower.sqlite"))
	b.check("open a store", err)
	defer db.Close()
	const each = 500
	before := cpuUsed(syscall.RUSAGE_SELF)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if err := db.Update(b.ctx, putStranger); err != nil {
					b.Errorf("a small change: %v", err)
				}
			}
		})
	}
	all.Wait()
	return (cpuUsed(syscall.RUSAGE_SELF) - before) / time.Duration(writers*each)
}

func putStranger(tx tower.Tx) error {
	return tx.PutUser(gatekeeper.User{ID: strangerID(), Dialect: teos.V2, Slots: 1, Expiry: 1})
}

// strangerID has the form of a key; nobody can sign with it.
func strangerID() teos.UserID {
	id := teos.UserID{2}
	_, _ = rand.Read(id[1:]) // never fails
	return id
}
