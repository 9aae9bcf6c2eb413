package harness

import "testing"

// Two processes never have the same port: a lock that is held by one is not had by
// another, which is here another file of the same process.
func TestPortsAreNotShared(t *testing.T) {
	var mine, others portion
	given := map[int]bool{}
	for i := range 4 * portsEach {
		from := &mine
		if i%2 == 1 {
			from = &others
		}
		port, err := from.next()
		if err != nil {
			t.Fatal(err)
		}
		if given[port] || port < lowestPort || port >= lowestPort+portBlocks*portsEach {
			t.Fatalf("port %d was given already, or is none of ours", port)
		}
		given[port] = true
	}
	for _, p := range []*portion{&mine, &others} {
		if len(p.locks) < 2 {
			t.Errorf("%d locks for %d ports", len(p.locks), 2*portsEach)
		}
		for _, f := range p.locks {
			f.Close()
		}
	}
}
