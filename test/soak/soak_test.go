package soak

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/test/phones"
)

var storm = flag.Int("soak.calls", 0, "calls in each mode, in a storm, and a wait until the last transaction has lapsed; 0 for a few in mild weather")

const (
	patience = 4 * time.Minute // for the last call to end
	lapse    = 2 * time.Minute // for the last transaction behind that: its longest timer has 32 s, and may follow another
	leftover = 512 << 10       // bytes of heap that all the calls may leave: the collector's own, and the rows of the engine's tables
	seed     = 3261
)

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// soak is one run.
type soak struct {
	*testing.T
	calls  int // in each mode
	server *server
	phones *phones.Phone
	relay  *relay
	all    []*engine.Running

	began      time.Time
	heap       int64 // of the server without calls
	goroutines int
}

// TestX07Soak: whatever the network does, every call reaches a final state, every 2xx
// has its ACK, every request its answer, and nothing is left.
func TestX07Soak(t *testing.T) {
	w, calls, spread := weather{lost: 10, twin: 10, jitter: 50 * time.Millisecond}, 40, 2*time.Second
	if *storm > 0 {
		w, calls, spread = weather{lost: 30, twin: 10, jitter: 200 * time.Millisecond}, *storm, 10*time.Second
	}
	s := &soak{T: t, calls: calls, relay: newRelay(t, w, seed), began: time.Now()}
	s.server = newServer(t, addrOf(s.relay.front))
	s.heap, s.goroutines = heap(), runtime.NumGoroutine()
	s.phones = newPhones(t, addrOf(s.relay.back))
	s.relay.run(s.server.addr, s.phones.Addr())
	s.place(spread)
	s.wantEnd()
	if *storm > 0 {
		s.wantLapse()
	}
	s.wantKept()
	s.phones.Close()
	if *storm > 0 {
		s.wantNothingLeft()
	}
	s.server.close(t)
}

// place starts the calls of both modes, evenly spread.
func (s *soak) place(spread time.Duration) {
	back := addrOf(s.relay.back)
	tick := time.NewTicker(spread / time.Duration(2*s.calls))
	defer tick.Stop()
	for i := range 2 * s.calls {
		s.all = append(s.all, s.server.place(i, call.Mode(i%2), back))
		<-tick.C
	}
}

// wantEnd waits for the last call, and counts how they went.
func (s *soak) wantEnd() {
	s.Helper()
	if !until(patience, func() bool { return s.server.engine.Len() == 0 }) {
		for i, r := range s.all {
			if c := r.Snapshot(); !c.Over() {
				s.Errorf("call %d does not end: %s, outcome %+v, rows %+v", i, c.State, c.Outcome, c.Rows)
			}
		}
		s.server.engine.HangupAll(call.ByServer)
	}
	s.Logf("the last call was over after %s; left: %s", s.since(), s.server.left())
	results := map[string]int{}
	completed := [2]int{}
	for i, r := range s.all {
		o := r.Snapshot().Outcome
		results[fmt.Sprintf("%s %s", [...]string{"REFER", "INVITE"}[i%2], o.Result)]++
		if o.Result == call.Completed {
			completed[i%2]++
		}
	}
	for _, k := range slices.Sorted(maps.Keys(results)) {
		s.Logf("%5d %s", results[k], k)
	}
	// A call that nothing happens in proves little.
	if min(completed[0], completed[1]) < s.calls/5 {
		s.Errorf("only %v calls of %d were completed", completed, s.calls)
	}
}

func (s *soak) since() time.Duration { return time.Since(s.began).Round(100 * time.Millisecond) }

// wantLapse waits for the last transaction of the server, by when no phone has a leg
// either.
func (s *soak) wantLapse() {
	s.Helper()
	if !until(lapse, func() bool { return s.server.left() == nothing }) {
		s.Errorf("left: %s", s.server.left())
	}
	s.Logf("the last transaction was over after %s", s.since())
	if n := s.phones.Sessions(); n > 0 {
		s.Errorf("%d legs are alive at the phones", n)
	}
}

// wantKept checks the ledger, when nothing is under way any more to the server and it
// has had the time to answer.
func (s *soak) wantKept() {
	s.Helper()
	g := s.relay.ledger
	until(10*time.Second, func() bool { return len(g.owed()) == 0 })
	for _, fault := range append(g.owed(), g.wrong()...) {
		s.Error(fault)
	}
	g.mu.Lock()
	s.Logf("%d INVITEs of the server, %d 2xx and %d requests for it, %d dialogs with its BYE", len(g.invites), len(g.accepted), len(g.asked), len(g.byes))
	g.mu.Unlock()
	s.relay.close()
}

// wantNothingLeft checks that the server is as it was before the first call.
func (s *soak) wantNothingLeft() {
	s.Helper()
	s.phones, s.relay, s.all = nil, nil, nil // It is the test that holds them.
	if !until(5*time.Second, func() bool { return runtime.NumGoroutine() <= s.goroutines }) {
		s.Errorf("%d goroutines are left, %d there were", runtime.NumGoroutine(), s.goroutines)
	}
	after := heap()
	s.Logf("heap: %d bytes before, %d after; goroutines: %d and %d; %s", s.heap, after, s.goroutines, runtime.NumGoroutine(), s.server.left())
	if after > s.heap+leftover {
		s.Errorf("%d bytes are left of %d calls", after-s.heap, 2*s.calls)
	}
}
