// Package interop tests the real program, callcontroller, against real SIP
// programs: Kamailio, baresip, linphone and SIPp, on loopback.
//
// The lab of these programs is started by the first test that needs it and is
// shared by all; each test starts a callcontroller of its own. INTEROP=off skips
// everything. INTEROP_KEEP=1 leaves the directory with all logs and traces.
package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"callcontroller/test/interop/lab"
)

// bench is what all tests share.
var bench = struct {
	dir    string // for what is written while the tests run
	build  string // for the program under test
	procs  *lab.Processes
	lab    func() (*lab.Lab, error)
	binary func() (string, error)
}{}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if err := makeDirs(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bench.procs = lab.NewProcesses()
	bench.lab = sync.OnceValues(startLab)
	bench.binary = sync.OnceValues(buildBinary)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		fmt.Fprintln(os.Stderr, "interop: ended by the signal", <-interrupted)
		cleanUp()
		os.Exit(1)
	}()
	defer cleanUp()
	return m.Run()
}

// makeDirs makes the directories. What is written while the tests run goes into
// memory where the machine has a place for that: linphone and the server sync
// their files, which on a busy disk can take longer than a test waits.
func makeDirs() (err error) {
	if bench.build, err = os.MkdirTemp("", "callcontroller-interop-build-"); err != nil {
		return err
	}
	const memory = "/dev/shm"
	if bench.dir, err = os.MkdirTemp(memory, "callcontroller-interop-"); err == nil {
		return nil
	}
	bench.dir, err = os.MkdirTemp("", "callcontroller-interop-")
	return err
}

// cleanUp ends every program that was started, the lab's too.
var cleanUp = sync.OnceFunc(func() {
	bench.procs.Close()
	err := os.RemoveAll(bench.build)
	if os.Getenv("INTEROP_KEEP") == "" {
		err = errors.Join(err, os.RemoveAll(bench.dir))
	} else {
		fmt.Fprintln(os.Stderr, "interop: the logs are in", bench.dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
})

func startLab() (*lab.Lab, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return lab.Start(ctx, bench.procs, filepath.Join(bench.dir, "lab"))
}

// newDir makes a directory for one program that a test runs.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(bench.dir, "program-") //nolint:usetesting // see makeDirs
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// needPeers skips a test when the real programs are not wanted here.
func needPeers(t *testing.T) {
	t.Helper()
	if os.Getenv("INTEROP") == "off" {
		t.Skip("INTEROP=off: the tests against Kamailio, baresip, linphone and SIPp are not wanted here")
	}
}

// useLab gives the lab, with no call on the phones that the test names, and
// leaves them so. A failed test prints what the proxy and these phones logged.
func useLab(t *testing.T, users ...string) *lab.Lab {
	t.Helper()
	needPeers(t)
	l, err := bench.lab()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Idle(t.Context(), users...); err != nil {
		t.Fatal(err)
	}
	showOnFailure(t, "proxy", l.Proxy().Log())
	for _, user := range users {
		showOnFailure(t, "phone "+user, l.Phone(user).Trace())
	}
	t.Cleanup(func() {
		if err := l.Idle(context.WithoutCancel(t.Context()), users...); err != nil {
			t.Error(err)
		}
	})
	return l
}

// showOnFailure prints what a log has got since now, if the test fails.
func showOnFailure(t *testing.T, name, path string) {
	t.Helper()
	before := lab.Size(path)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, lab.TailFrom(path, before))
		}
	})
}

// within polls until look is content and fails the test when d has passed.
func within(t *testing.T, d time.Duration, look func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := lab.Poll(ctx, look); err != nil {
		t.Fatal(err)
	}
}
