package operator

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/responder"
)

var selftest = Method{
	Name:   "selftest",
	About:  "Walk an appointment of the tower's own through every stage short of the chain, and say what works. Nothing is broadcast, and nothing of it stays.",
	Answer: func(ctx context.Context, d *Desk, _ Args) (any, error) { return d.selfTest(ctx) },
}

// Rehearsal is what a self-test needs besides the tower.
type Rehearsal struct {
	// Turn is taken while one runs; TryTurn fails where one does.
	TryTurn func() bool
	Turn    func()
	// Door hands a request to the API as users do, and names the way it took.
	// The body is JSON, and so is the answer.
	Door func(ctx context.Context, endpoint string, body []byte) (answer []byte, way string, err error)
	// Doors looks whether users can come in by every entrance that should be
	// open.
	Doors func() (seen string, err error)
	// Chain asks the Bitcoin backend for its height, and says how the tower
	// hears of blocks.
	Chain func(ctx context.Context) (height uint32, notice string, err error)
	// Mempool asks the backend what it would make of a transaction, without
	// broadcasting it; nil where the backend can't be asked that.
	Mempool func(ctx context.Context, tx []byte) (answer string, err error)
}

// SelfTest is what selftest answers.
type SelfTest struct {
	// OK says that all stages are.
	OK     bool    `json:"ok"`
	Stages []Stage `json:"stages"`
}

// Stage is one stage of the walk.
type Stage struct {
	Name string `json:"stage"`
	OK   bool   `json:"ok"`
	Took int64  `json:"took_ms"`
	// Detail says what was seen, or what went wrong; ToDo what to do then.
	Detail string `json:"detail"`
	ToDo   string `json:"to_do,omitempty"`
}

// Bounds of time.
const (
	stageTimeout = 8 * time.Second
	walkTimeout  = 20 * time.Second
)

// walk is a self-test under way.
type walk struct {
	desk    *Desk
	key     *btcec.PrivateKey
	made    madeUp
	sent    teos.Appointment
	answer  []byte
	result  SelfTest
	stopped bool // a stage failed without which those of the appointment can't be
}

func (d *Desk) selfTest(ctx context.Context) (SelfTest, error) {
	if !d.Rehearsal.TryTurn() {
		return SelfTest{}, teos.Errorf(teos.Unavailable, "a self-test is under way: wait for its end")
	}
	defer d.Rehearsal.Turn()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		return SelfTest{}, err
	}
	w := &walk{desk: d, key: key, result: SelfTest{OK: true}}
	if w.made, err = makeUp(key); err != nil {
		return SelfTest{}, err
	}
	func() {
		walkCtx, cancel := context.WithTimeout(ctx, walkTimeout)
		defer cancel()
		w.appointment(walkCtx)
		w.around(walkCtx)
	}()
	w.stopped = false
	// Also where whoever asked has gone.
	w.stage(context.WithoutCancel(ctx), "clean-up", "ask again, or restart the tower: it removes what was left", w.cleanUp)
	return w.result, nil
}

// appointment walks what a user's appointment goes through.
func (w *walk) appointment(ctx context.Context) {
	const room = "if the chain was not seen yet, see the stage chain; else make room on the disk, or repair it: no appointment is accepted until then"
	w.must(ctx, "store", room, w.store)
	w.must(ctx, "registration", room, w.register)
	w.must(ctx, "appointment", "see the tower's log; is a limit of yours too tight (max-blob-size, max-storage; with vigil- before them in a node)?", w.handIn)
	w.stage(ctx, "receipt", "report it: a client would leave this tower", w.receipt)
	w.stage(ctx, "question", "report it: users can't see what they handed in", w.question)
	w.stage(ctx, "matching", "report it: breaches would be missed", w.match)
	w.stage(ctx, "penalty", "report it: penalties would not be valid", w.penalty)
}

// around looks at what the tower depends on.
func (w *walk) around(ctx context.Context) {
	w.stopped = false
	w.stage(ctx, "api", "see the warnings of info: other nodes can't hand anything in there until then", w.doors)
	const backend = "is the Bitcoin backend up, and are its address and credentials right?"
	w.stage(ctx, "chain", backend, w.chain)
	w.stage(ctx, "mempool", backend, w.mempool)
}

// stage runs one and notes what came of it.
func (w *walk) stage(ctx context.Context, name, todo string, run func(ctx context.Context) (string, error)) bool {
	if w.stopped {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, stageTimeout)
	defer cancel()
	began := time.Now()
	detail, err := run(ctx)
	s := Stage{Name: name, OK: err == nil, Took: time.Since(began).Milliseconds(), Detail: detail}
	if err != nil {
		s.Detail, s.ToDo, w.result.OK = clip(err.Error()), todo, false
	}
	w.result.Stages = append(w.result.Stages, s)
	return s.OK
}

// must is a stage without which the next ones have no sense.
func (w *walk) must(ctx context.Context, name, todo string, run func(ctx context.Context) (string, error)) {
	if !w.stopped {
		w.stopped = !w.stage(ctx, name, todo, run)
	}
}

// clip bounds what is shown of an error.
func clip(text string) string {
	const most = 300
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func (w *walk) store(ctx context.Context) (string, error) {
	return "a commit is durable, and the reserve for blocks is held", w.desk.Tower.Ready(ctx, true)
}

func (w *walk) id() teos.UserID { return teos.NewUserID(w.key.PubKey()) }

func (w *walk) register(ctx context.Context) (string, error) {
	r, err := w.desk.Tower.BeginProbe(ctx, w.id())
	if err != nil {
		return "", err
	}
	return "a key of the tower's own, until block " + fmt.Sprint(r.Expiry), w.signed(r.Message(teos.V2), r.Signature)
}

// signed fails unless the tower signed a message.
func (w *walk) signed(message []byte, s teos.Signature) error {
	signer, err := teos.Recover(message, s)
	if err == nil && signer != w.desk.Tower.ID() {
		err = fmt.Errorf("the signature is %v's, not the tower's", signer)
	}
	return err
}

func (w *walk) handIn(ctx context.Context) (string, error) {
	id := w.made.dispute.ID
	w.sent = teos.Appointment{
		Locator:       teos.NewLocator(teos.V2, id),
		EncryptedBlob: teos.EncryptBlob(teos.V2, id, w.made.penalty.Raw), ToSelfDelay: math.MaxUint32,
	}
	answer, way, err := w.ask(ctx, "add_appointment", map[string]any{
		"appointment": map[string]any{
			"locator": w.sent.Locator.String(), "encrypted_blob": hex.EncodeToString(w.sent.EncryptedBlob),
			"to_self_delay": w.sent.ToSelfDelay,
		},
		"signature": teos.Sign(w.key, w.sent.Message()).String(),
	})
	w.answer = answer
	return fmt.Sprintf("%d bytes, by %s", len(w.sent.EncryptedBlob), way), err
}

func (w *walk) ask(ctx context.Context, endpoint string, body any) (answer []byte, way string, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, "", err
	}
	return w.desk.Rehearsal.Door(ctx, endpoint, raw)
}

func (w *walk) receipt(context.Context) (string, error) {
	var got struct {
		StartBlock uint32 `json:"start_block"`
		Signature  string `json:"signature"`
	}
	if err := json.Unmarshal(w.answer, &got); err != nil {
		return "", err
	}
	s, err := teos.ParseSignature(got.Signature)
	if err != nil {
		return "", err
	}
	r := teos.AppointmentReceipt{UserSignature: teos.Sign(w.key, w.sent.Message()), StartBlock: got.StartBlock}
	return fmt.Sprintf("signed by the tower, from block %d on", got.StartBlock), w.signed(r.Message(teos.V2), s)
}

func (w *walk) question(ctx context.Context) (string, error) {
	locator := w.sent.Locator.String()
	answer, way, err := w.ask(ctx, "get_appointment", map[string]any{
		"locator": locator, "signature": teos.Sign(w.key, teos.GetAppointmentMessage(locator)).String(),
	})
	if err != nil {
		return "", err
	}
	var got struct {
		Appointment struct {
			Locator string `json:"locator"`
			Blob    string `json:"encrypted_blob"`
			Delay   uint32 `json:"to_self_delay"`
		} `json:"appointment"`
	}
	err = json.Unmarshal(answer, &got)
	if a := got.Appointment; err == nil &&
		(a.Locator != locator || a.Blob != hex.EncodeToString(w.sent.EncryptedBlob) || a.Delay != w.sent.ToSelfDelay) {
		err = errors.New("it is not what was handed in")
	}
	return "it is as it was handed in, by " + way, err
}

func (w *walk) match(ctx context.Context) (string, error) {
	found, err := w.desk.Tower.Rehearse(ctx, w.made.dispute)
	switch {
	case err != nil:
		return "", err
	case len(found) != 1:
		return "", fmt.Errorf("a dispute matched %d appointments instead of one", len(found))
	case found[0].Err != nil:
		return "", found[0].Err
	case !bytes.Equal(found[0].Penalty.Raw, w.made.penalty.Raw):
		return "", errors.New("the blob decrypts to another transaction")
	}
	return "a made-up dispute is found, and its penalty decrypted", nil
}

func (w *walk) penalty(context.Context) (string, error) {
	return "it spends the dispute, and its script verifies", responder.Verify(w.made.penalty, responder.SpentOutputs(w.made.dispute, w.made.penalty))
}

func (w *walk) doors(context.Context) (string, error) { return w.desk.Rehearsal.Doors() }

func (w *walk) chain(ctx context.Context) (string, error) {
	height, notice, err := w.desk.Rehearsal.Chain(ctx)
	if err != nil {
		return "", err
	}
	tip, _, err := w.desk.Tower.Tip(ctx)
	if err == nil && tip.Height+maxLag < height {
		err = fmt.Errorf("block %d of %d was processed: the tower is catching up", tip.Height, height)
	}
	return fmt.Sprintf("block %d of %d; %s", tip.Height, height, notice), err
}

// maxLag is how many blocks may be on their way.
const maxLag = 2

func (w *walk) mempool(ctx context.Context) (string, error) {
	if w.desk.Rehearsal.Mempool == nil {
		return "not tried: lightningd can't be asked without broadcasting", nil
	}
	answer, err := w.desk.Rehearsal.Mempool(ctx, w.made.penalty.Raw)
	return "asked without broadcasting, it says: " + clip(answer), err
}

func (w *walk) cleanUp(ctx context.Context) (string, error) {
	if err := w.desk.Tower.EndProbe(ctx); err != nil {
		return "", err
	}
	d, err := w.desk.Tower.Dialect(ctx, w.id())
	if err == nil && d.Known() {
		err = errors.New("the key is still a user")
	}
	return "nothing of it is left", err
}
