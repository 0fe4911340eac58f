// Command bench measures callcontroller beside Kamailio, on this machine and in the same
// minutes: both get the same load from the same program in turns, since what a shared
// machine gives changes from minute to minute. It prints a table in Markdown, and can
// write everything that it has seen as JSON.
//
//	make bench                                 the table
//	go run ./test/bench -only rounds -rounds 2 a short look
//	go run ./test/bench -only standing         memory of standing calls
//	go run ./test/bench -only rounds -against /tmp/before
//	                                           beside a build from before a change
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"callcontroller/test/bench/load"
	"callcontroller/test/interop/lab"
)

// settings are the flags.
type settings struct {
	only     string
	rounds   int
	calls    int
	standing int
	long     int
	length   time.Duration
	many     int
	json     string
	procs    string
	against  string
}

// bench is one sitting.
type bench struct {
	settings
	world  *world
	phones [len(phoneAddresses)]*load.Phones
	seen   report
}

type part struct {
	name string
	run  func(*bench, context.Context) error
}

// parts are what can be measured, in order.
var parts = []part{
	{"rounds", (*bench).rounded},
	{"standing", (*bench).standingCalls},
	{"growth", (*bench).growth},
	{"overload", (*bench).overload},
	{"keepalive", (*bench).keepalive},
	{"million", (*bench).million},
	{"profile", (*bench).profile},
}

func main() {
	var s settings
	flag.StringVar(&s.only, "only", "rounds,standing,growth,overload", "`PARTS` to measure: rounds, standing, growth, overload, keepalive, million, profile")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds")
	flag.IntVar(&s.calls, "calls", 8000, "calls of a round with many at once")
	flag.IntVar(&s.standing, "standing", 50000, "standing calls")
	flag.IntVar(&s.long, "long", 100000, "calls that stand with keep-alives")
	flag.DurationVar(&s.length, "stand", 10*time.Minute, "how long")
	flag.IntVar(&s.many, "million", 1000000, "calls of the part million")
	flag.StringVar(&s.json, "json", "", "`FILE` to write everything to")
	flag.StringVar(&s.procs, "gomaxprocs", "", "GOMAXPROCS of callcontroller")
	flag.StringVar(&s.against, "against", "", "another `BUILD` of callcontroller to measure beside, in place of Kamailio: an absolute path")
	flag.Parse()
	debug.SetGCPercent(400) // the load program's memory is not what is measured
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := s.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (s settings) run(ctx context.Context) (err error) {
	wanted := strings.Split(s.only, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("there is no part %q", name)
		}
	}
	b := &bench{settings: s}
	if err := b.open(ctx); err != nil {
		return errors.Join(err, b.close())
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.seen.Machine = machine()
	for _, p := range parts {
		if !slices.Contains(wanted, p.name) {
			continue
		}
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.seen.markdown(os.Stdout)
	if s.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(&b.seen, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.json, append(text, '\n'), 0o600)
}

// open builds the program and opens what all parts need.
func (b *bench) open(ctx context.Context) (err error) {
	w := &world{procs: lab.NewProcesses()}
	b.world = w
	if b.procs != "" {
		w.env = append(w.env, "GOMAXPROCS="+b.procs)
	}
	if w.dir, err = os.MkdirTemp("", "callcontroller-bench-"); err != nil {
		return err
	}
	if w.ports, err = lab.ClaimPorts(); err != nil {
		return err
	}
	w.program = filepath.Join(w.dir, "callcontroller")
	if err := lab.Build(".", w.program, "-trimpath"); err != nil {
		return err
	}
	for i, pair := range phoneAddresses {
		if b.phones[i], err = load.Open(ctx, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) close() error {
	b.world.procs.Close()
	var all []error
	for _, p := range b.phones {
		if p != nil {
			all = append(all, p.Close())
		}
	}
	if b.world.ports != nil {
		all = append(all, b.world.ports.Release())
	}
	return errors.Join(append(all, os.RemoveAll(b.world.dir))...)
}

// progressf tells what is being done.
func progressf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
