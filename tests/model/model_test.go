package model

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	soak = flag.Int("steps", 0, "how many steps TestSoak makes")
	from = flag.Uint64("seed", 0, "the seed that TestSoak begins with, instead of a random one")
)

// length is how many steps a sequence has.
const length = 60

// sequence is what befalls one tower.
type sequence struct {
	Config uint32 // picks the terms and the kind of source
	Steps  []step
}

func sequenceOf(seed uint64) sequence {
	rng := rand.New(rand.NewPCG(seed, 1))
	return sequence{rng.Uint32(), steps(rng, length)}
}

// run makes a sequence in a bubble and returns where the tower first was not
// as the reference has it.
func run(t *testing.T, s sequence) (failed error) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir, s.Config)
		for i, st := range s.Steps {
			if failed = r.make(st); failed != nil {
				failed = fmt.Errorf("step %d (%s): %w", i, st.Do, failed)
				break
			}
		}
		if failed == nil {
			failed = r.finish()
		}
		if err := r.end(); err != nil && failed == nil {
			failed = err
		}
	})
	return failed
}

// finish heals all and compares once more.
func (r *rig) finish() error {
	r.heal()
	for _, last := range []op{"start", "start", "empty"} {
		if err := r.make(step{Do: last}); err != nil {
			return fmt.Errorf("at the end: %w", err)
		}
	}
	return r.settle()
}

// shrink drops steps for as long as it fails without them.
func shrink(t *testing.T, s sequence) sequence {
	t.Helper()
	for size := len(s.Steps) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(s.Steps); {
			without := sequence{s.Config, append(append([]step{}, s.Steps[:from]...), s.Steps[from+size:]...)}
			if run(t, without) != nil {
				s = without
			} else {
				from += size
			}
		}
	}
	return s
}

// check runs a seed's sequence; where it fails, it prints the smallest that
// fails as well, to be kept in regressions.
func check(t *testing.T, seed uint64) {
	t.Helper()
	s := sequenceOf(seed)
	err := run(t, s)
	if err == nil {
		return
	}
	small := shrink(t, s)
	t.Errorf("seed %d: %v\nsmallest: %v\n%s", seed, err, run(t, small), small)
}

// String is the sequence as it stands in regressions.
func (s sequence) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%d, []step{", s.Config)
	for _, st := range s.Steps {
		fmt.Fprintf(&b, "{%q, %d}, ", st.Do, st.N)
	}
	return strings.TrimSuffix(b.String(), ", ") + "}}"
}

// regressions are sequences at which the tower once was elsewhere. What a step
// does follows from the steps' code: where that changes, they lose their point.
var regressions = map[string]sequence{
	"a reorg below what the source prunes before it is followed": {4291241404, []step{
		{"add", 2600243245}, {"slow", 1322068771}, {"refuse", 3252144957}, {"reorg", 414911917},
		{"bury", 1232736652}, {"fail", 2428368517}, {"prune", 2815375001},
	}},
	"a fork below what the source has pruned up to our tip": {2516674896, []step{
		{"slow", 2320690319}, {"bury", 3537371248}, {"add", 3215471481}, {"fail", 1371208170}, {"reorg", 208906994},
		{"reorg", 3283563450}, {"empty", 3467456315}, {"confirm", 644685987}, {"bury", 1924845646},
		{"confirm", 4096533542}, {"empty", 445834229}, {"empty", 2037038346}, {"mine", 4159062954},
		{"empty", 3946714034}, {"prune", 1940677698},
	}},
	"a reorg takes out a penalty that can't be verified": {1047609754, []step{
		{"start", 3868420964}, {"register", 3296623068}, {"bury", 4203387800}, {"add", 1909351890}, {"reorg", 3784249647},
		{"heal", 956550489}, {"mine", 3958823582}, {"shrink", 909433357},
	}},
	"one penalty with two witnesses": {2218139583, []step{
		{"start", 1631299625}, {"register", 59712045}, {"retune", 3617359202}, {"add", 552418098}, {"add", 3533898167},
		{"add", 4012861280}, {"breach", 396380496},
	}},
	"one penalty with two witnesses, reorged": {1323800799, []step{
		{"start", 2338215315}, {"register", 706685211}, {"start", 2726768396}, {"add", 2094189389},
		{"register", 230308637}, {"add", 3110669976}, {"bury", 3482648095}, {"reorg", 148158130},
	}},
	"a dispute is read while its penalty is on its way": {3062191586, []step{
		{"start", 3240046338}, {"add", 1838948928}, {"flap", 2527336722}, {"breach", 1150153791}, {"mine", 2273852549},
		{"mine", 3264419436}, {"mine", 1601116289}, {"register", 2476286980}, {"confirm", 2514902639},
		{"retune", 3798877016}, {"mine", 1351503497}, {"fail", 4005638999}, {"retune", 1035407949},
		{"kill", 2311285861}, {"slow", 3324467563}, {"slow", 2294277135}, {"empty", 819897049}, {"kill", 3362792395},
		{"empty", 662257359}, {"mine", 2105205197}, {"add", 1330811304}, {"add", 4275723672},
	}},
	"a penalty is refused, and has a twin": {1620426370, []step{
		{"mine", 2490532390}, {"add", 3064602607}, {"add", 704299595}, {"register", 873442516}, {"late", 977915518},
		{"add", 1636475126}, {"mine", 2744960909}, {"bury", 3763332454}, {"prune", 4010549026},
	}},
	"a breach is found while its penalty is on its way for another user": {3454433198, []step{
		{"start", 2389099641}, {"register", 217257362}, {"confirm", 1681133373}, {"start", 2038442791},
		{"slow", 4203998336}, {"breach", 586526212}, {"register", 1763958253}, {"add", 1297694458},
		{"breach", 241086903}, {"empty", 497216044}, {"add", 1506082380}, {"flap", 534095012}, {"flap", 1434060541},
		{"breach", 2015299939}, {"reorg", 3331940556}, {"breach", 3494047837}, {"empty", 1492802649},
		{"add", 4132631824}, {"retune", 2672191890},
	}},
	"a reorg while a penalty is on its way": {34366514, []step{
		{"add", 1025729952}, {"add", 931022438}, {"register", 1615836178}, {"add", 1577624835}, {"breach", 56579218},
		{"breach", 4168318951}, {"breach", 126877029}, {"breach", 148131944}, {"mine", 1322893111},
		{"breach", 1228024222}, {"shrink", 883670785}, {"add", 4075030198}, {"slow", 4126473992},
		{"breach", 3055681111}, {"confirm", 642287899}, {"breach", 2087777598}, {"flap", 2817065938},
		{"fail", 4122862607}, {"reorg", 2524177265},
	}},
}

func TestRegressions(t *testing.T) {
	for name, s := range regressions {
		t.Run(name, func(t *testing.T) {
			if err := run(t, s); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheTowerIsWhereTheReferenceIs(t *testing.T) {
	for seed := range uint64(1) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { check(t, seed) })
	}
	seed := rand.Uint64()
	t.Logf("random seed: %d", seed)
	check(t, seed)
}

// TestSoak makes as many steps as -steps says, from a random seed on or from the
// one that -seed says: it prints that first.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("takes long: see make soak")
	}
	first, begin := rand.Uint64()>>32, time.Now()
	if *from != 0 {
		first = *from
	}
	t.Logf("from seed %d on", first)
	var seeds, made atomic.Int64
	t.Run("sequences", func(t *testing.T) {
		for range 2 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for int(made.Load()) < *soak && !t.Failed() {
					n := seeds.Add(1) - 1
					check(t, first+uint64(n))
					if done := made.Add(length); n%50 == 49 {
						t.Logf("%d steps, %v", done, time.Since(begin).Round(time.Second))
					}
				}
			})
		}
	})
	t.Logf("%d steps in sequences from the seeds %d to %d, %v", made.Load(), first, first+uint64(seeds.Load())-1,
		time.Since(begin).Round(time.Second))
}
