// Bench measures what docs/performance.md tells: it runs the built tower over a
// real node under load, prints a table of figures beside their targets, and
// writes it into that document. Nothing is asserted: a figure that misses its
// target is printed as such.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

// settings are what the command line says.
type settings struct {
	doc     string // where the table goes; nowhere if empty
	only    string // the targets to measure, by number; all if empty
	full    bool   // with 10,000 breaches
	scale   int    // targets 3 to 5 instead, on stores of up to so many appointments
	cache   string // where they are kept
	profile string // of the CPU, in-process, instead of anything else
}

func main() {
	var s settings
	flag.StringVar(&s.doc, "doc", "", "the document whose generated section is written")
	flag.StringVar(&s.only, "only", "", "measure these targets only, as in 1,2")
	flag.BoolVar(&s.full, "full", os.Getenv("BENCH_FULL") != "", "breach 10,000 channels, too")
	flag.IntVar(&s.scale, "scale", 0, "measure targets 3 to 5 only, on stores of 100,000, a million and up to so many appointments")
	flag.StringVar(&s.cache, "cache", ".cache/scale", "where the stores of -scale are kept")
	flag.StringVar(&s.profile, "profile", "", "write a CPU profile of a tower under 64 clients to this file")
	bare := flag.String("bare", "", "be a bare tower in this directory: for this program itself")
	flag.Parse()
	if *bare != "" {
		if err := serveBare(*bare); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(s))
}

func measure(b *bench, s settings) {
	switch {
	case s.profile != "":
		profile(b, s.profile)
		return
	case s.scale > 0:
		b.scale(s)
	default:
		b.plain(s)
	}
	if s.doc != "" && !b.Failed() {
		b.check("write the document", b.table.write(s.doc, s.section()))
		fmt.Printf("\nThis table is in %s now.\n", s.doc)
	}
}

// section names the part of the document that is written.
func (s settings) section() string {
	if s.scale > 0 {
		return "bench-scale"
	}
	return "bench"
}

// plain measures everything that needs no large store.
func (b *bench) plain(s settings) {
	b.measureFloor()
	for _, part := range []struct {
		targets string
		measure func(*bench)
	}{
		{"1,2", (*bench).requests},
		{"3,4,5", func(b *bench) { b.small(s) }},
		{"6", func(b *bench) { b.breaches(s.full) }},
		{"7", (*bench).catchUp},
		{"8", (*bench).rest},
	} {
		if s.wants(part.targets) {
			b.alone(part.measure)
		}
	}
	b.table.print()
}

// wants tells whether any of these targets was asked for.
func (s settings) wants(targets string) bool {
	for target := range strings.SplitSeq(targets, ",") {
		if s.only == "" || strings.Contains(","+s.only+",", ","+target+",") {
			return true
		}
	}
	return false
}
