package crash

import (
	"flag"
	"os"
	"testing"
)

// atOnce is how many towers break at a time where -parallel is not given: they
// wait for disks and processes more than they compute.
const atOnce = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
