package tests

import (
	"slices"
	"strings"
	"testing"

	"vigil/tests/harness"
)

// stage is what a self-test says of one of its stages.
func (s selfTest) stage(name string) (ok bool, detail string) {
	for _, stage := range s.Stages {
		if stage.Stage == name {
			return stage.OK, stage.Detail
		}
	}
	return false, "there is no such stage"
}

// TestASecondBackendThatNeverWorks: the tower guards by lightningd's, and its operator
// hears that it has no second one.
func TestASecondBackendThatNeverWorks(t *testing.T) {
	s, _ := inStandIn(t, nil)
	wrong := strings.Replace(s.node.URL(), "@", "wrong@", 1)
	second := harness.StartLightningd(s, s.node, harness.Vigil(s), map[string]any{
		"vigil-api-bind": "127.0.0.1:0", "vigil-admin-bind": "127.0.0.1:0", "vigil-bitcoind": wrong,
	})
	var info harness.Info
	harness.Until(s, "the tower to guard", func() bool {
		var err error
		info, err = harness.TowerInfo(s.Context(), second)
		return err == nil && info.Guarding && len(info.API) > 0 && info.Admin != ""
	})
	if !slices.Equal(info.WarningKinds, []string{"chain"}) || !strings.HasPrefix(info.Warnings[0], "bitcoind, one of two") ||
		!strings.Contains(info.Warnings[0], "not authorised") || info.SourceError != "" {
		s.Errorf("it says %+v", info)
	}
	if !harness.Logged(second, "backend=bitcoind") {
		s.Errorf("the log does not name the backend: %v", second.Log())
	}
	var test selfTest
	s.callNode(second, "vigil-selftest", nil, &test)
	if ok, detail := test.stage("chain"); ok || test.OK || !strings.Contains(detail, "only lightningd answers") || !strings.Contains(detail, "not authorised") {
		s.Errorf("the self-test says %v, %s", ok, detail)
	}
	s.measured(harness.AdminDoor("http://"+info.Admin), map[string]float64{
		`vigil_backend_failing{source="bitcoind"}`: 1, `vigil_backend_failing{source="lightningd"}`: 0, `vigil_source_failing`: 0,
		`vigil_guarding`: 1, `vigil_warnings{kind="chain"}`: 1,
	})
}

// TestTheSelfTestSaysThatZMQIsNotThere: blocks are looked for, and nobody tells of them.
func TestTheSelfTestSaysThatZMQIsNotThere(t *testing.T) {
	t.Parallel()
	s := newScene(t, harness.Variants()[1], harness.Options{"bitcoind-zmq": "tcp://" + harness.FreeAddress(t)})
	var test selfTest
	harness.Until(s, "ZMQ to be tried", func() bool {
		if err := s.tower.Ask(s.Context(), "selftest", nil, &test); err != nil {
			s.Fatal(err)
		}
		_, detail := test.stage("chain")
		return strings.Contains(detail, "connection refused")
	})
	if ok, detail := test.stage("chain"); !ok || !strings.Contains(detail, "looked for every 5 s; ZMQ can't be reached") || strings.Contains(detail, "told by") {
		s.Errorf("the self-test says %v, %s", ok, detail)
	}
}
