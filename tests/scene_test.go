// Package tests holds the end-to-end tests: the built binary, loaded as a
// plugin or on its own, over a real node. A scenario is written once and runs
// on every way to run a tower that this machine has.
package tests

import (
	"errors"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// firstHeight is the chain's height when a tower starts: a few coinbases are
// mature then.
const firstHeight = 110

// resolvedDepth is how many confirmations end a breach.
const resolvedDepth = 100

// Codes of a refusal, as the protocol page has them: v1, then v2.
var (
	codeAuth      = codes{-8, 7}
	codeTriggered = codes{-9, 35}
)

type codes struct{ v1, v2 int }

func (c codes) of(dialect teos.Dialect) int {
	if dialect == teos.V1 {
		return c.v1
	}
	return c.v2
}

// scene is a tower over a node of its own.
type scene struct {
	*testing.T
	node    *harness.Node
	tower   harness.Tower
	variant harness.Variant
}

// onEveryTower plays a scenario on each variant. One that the machine can't
// run is skipped, with the reason.
func onEveryTower(t *testing.T, options harness.Options, play func(*scene)) {
	t.Helper()
	t.Parallel()
	for _, variant := range harness.Variants() {
		t.Run(variant.Name, func(t *testing.T) {
			if variant.Missing != nil {
				t.Skipf("NOT RUN here: %v", variant.Missing)
			}
			if variant.Spare() {
				t.Skip("NOT RUN here: VIGIL_MATRIX=full has it")
			}
			t.Parallel()
			play(newScene(t, variant, options))
		})
	}
}

func newScene(t *testing.T, variant harness.Variant, options harness.Options) *scene {
	t.Helper()
	node := harness.StartNode(t, variant.Backend)
	node.MineTo(firstHeight)
	s := &scene{T: t, node: node, variant: variant}
	s.tower = harness.StartTower(t, variant, node, options)
	s.settle()
	return s
}

// doors are the ways to the tower's public API.
func (s *scene) doors() map[string]harness.Door {
	doors := map[string]harness.Door{"http": s.tower.HTTP()}
	if rpc := s.tower.RPC(); rpc != nil {
		doors["rpc"] = harness.RPCDoor{Lightningd: rpc}
	}
	return doors
}

// user is a new user, registered over HTTP.
func (s *scene) user(dialect teos.Dialect) *harness.Client {
	s.Helper()
	user := harness.NewUser(s, dialect, s.tower.HTTP())
	s.register(user)
	return user
}

func (s *scene) register(user *harness.Client) teos.RegistrationReceipt {
	s.Helper()
	receipt, err := user.Register(s.Context())
	if err != nil {
		s.Fatalf("register: %v", err)
	}
	return receipt
}

func (s *scene) add(user *harness.Client, a teos.Appointment) harness.Receipt {
	s.Helper()
	receipt, err := user.Add(s.Context(), a)
	if err != nil {
		s.Fatalf("add_appointment: %v", err)
	}
	return receipt
}

func (s *scene) get(user *harness.Client, a teos.Appointment) harness.Held {
	s.Helper()
	held, err := user.Get(s.Context(), a.Locator)
	if err != nil {
		s.Fatalf("get_appointment: %v", err)
	}
	return held
}

func (s *scene) subscription(user *harness.Client) harness.Subscription {
	s.Helper()
	subscription, err := user.Info(s.Context())
	if err != nil {
		s.Fatalf("get_subscription_info: %v", err)
	}
	return subscription
}

func (s *scene) info() harness.Info {
	s.Helper()
	info, err := s.tower.Info(s.Context())
	if err != nil {
		s.Fatalf("vigil-info: %v", err)
	}
	return info
}

// settle waits until the tower has processed the node's best chain.
func (s *scene) settle() {
	s.Helper()
	height := s.node.Height()
	harness.Until(s, "the tower to process the chain", func() bool { return s.info().Height == height })
}

// mine mines blocks and waits until the tower has processed them.
func (s *scene) mine(count int) {
	s.Helper()
	s.node.Mine(count)
	s.settle()
}

// breach is a dispute, the penalty for it, and the appointment of a user.
type breach struct {
	dispute, penalty *wire.MsgTx
	user             *harness.Client
	appointment      teos.Appointment
}

// watched is a breach to come: the tower holds the appointment.
func (s *scene) watched(user *harness.Client) breach {
	s.Helper()
	b := s.prepared(user)
	s.add(user, b.appointment)
	return b
}

// prepared is a breach to come that the tower knows nothing of.
func (s *scene) prepared(user *harness.Client) breach {
	s.Helper()
	dispute := s.node.Wallet.Dispute()
	penalty := s.node.Wallet.Penalty(dispute, harness.Fee)
	return breach{dispute, penalty, user, user.NewAppointment(dispute.TxHash(), penalty)}
}

// cheat confirms the dispute, and nothing else.
func (s *scene) cheat(b breach) {
	s.Helper()
	s.node.MineBlock(b.dispute)
}

// answered waits for the penalty in the mempool.
func (s *scene) answered(b breach) {
	s.Helper()
	txid := b.penalty.TxHash()
	harness.Until(s, "the penalty to enter the mempool", func() bool { return s.node.InMempool(txid) })
	s.responded(b)
}

// responded demands that the tower tells of the breach.
func (s *scene) responded(b breach) {
	s.Helper()
	harness.Until(s, "get_appointment to tell of the breach", func() bool {
		return s.get(b.user, b.appointment).Status == harness.DisputeResponded
	})
	told := s.get(b.user, b.appointment).Appointment
	if told.DisputeTxID != b.dispute.TxHash().String() || told.PenaltyTxID != b.penalty.TxHash().String() ||
		told.PenaltyTx != harness.TxHex(b.penalty) {
		s.Fatalf("the tower tells of dispute %s and penalty %s (%s), want %v and %v",
			told.DisputeTxID, told.PenaltyTxID, told.PenaltyTx, b.dispute.TxHash(), b.penalty.TxHash())
	}
}

// confirmed mines the penalty and returns the height of its block.
func (s *scene) confirmed(b breach) int {
	s.Helper()
	s.mine(1)
	height := s.node.ConfirmedAt(b.penalty.TxHash(), 1)
	if height == 0 {
		s.Fatalf("the penalty is not in the block mined after it was published")
	}
	return height
}

// resolved buries a spend of the dispute's output that confirmed at a height,
// and waits until the tower has forgotten the breach.
func (s *scene) resolved(b breach, height int) {
	s.Helper()
	if almost := height + resolvedDepth - 2; s.node.Height() < almost {
		s.node.MineTo(almost)
		s.settle()
		s.responded(b)
	}
	s.node.MineTo(height + resolvedDepth)
	harness.Until(s, "the breach to be over", func() bool {
		_, err := b.user.Get(s.Context(), b.appointment.Locator)
		return isNotFound(err)
	})
}

// isNotFound tells whether the tower says that it has no such appointment.
func isNotFound(err error) bool {
	var refusal *harness.Refusal
	return errors.As(err, &refusal) && (refusal.Code == 36)
}

// wantCode demands a refusal with the dialect's code.
func (s *scene) wantCode(err error, want codes, dialect teos.Dialect) {
	s.Helper()
	var refusal *harness.Refusal
	if !errors.As(err, &refusal) || refusal.Code != want.of(dialect) {
		s.Fatalf("got %v, want a refusal with error_code %d", err, want.of(dialect))
	}
}

var dialects = []teos.Dialect{teos.V1, teos.V2}
