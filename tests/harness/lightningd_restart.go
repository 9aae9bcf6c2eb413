package harness

import "os/exec"

// RestartLightningd ends the Lightning node that carries a tower, does
// something while it is away, and starts it again.
func RestartLightningd(t T, tower Tower, meanwhile func()) {
	t.Helper()
	carried, ok := tower.(*loaded)
	if !ok {
		t.Fatalf("no Lightning node carries this tower")
	}
	switch node := carried.Lightningd.(type) {
	case *StandIn:
		node.CloseStdin()
		meanwhile()
		node.StartPlugin()
	case *realNode:
		node.end()
		meanwhile()
		node.startAgain()
	}
	waitReady(t, tower)
}

// startAgain starts lightningd with the words of its first start.
func (r *realNode) startAgain() {
	r.t.Helper()
	words := r.proc.cmd.Args
	var err error
	if r.proc, err = startProcess(exec.Command(words[0], words[1:]...), r.outputPath()); err != nil {
		r.t.Fatalf("start lightningd again: %v", err)
	}
}
