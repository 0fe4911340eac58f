package journal_test

import (
	"strconv"
	"testing"

	"callcontroller/internal/journal"
	"callcontroller/internal/journal/journaltest"
)

// TestNodes has two journals on the same servers: each recovers its own calls, and a
// call of one that writes little outlives what the other one writes much.
func TestNodes(t *testing.T) {
	t.Parallel()
	s := journaltest.External(t)
	s.Config.MaxBytes = 4 << 20
	quiet := journaltest.Open(t, s)
	other := s
	other.Config.Node = "2"
	busy := journaltest.Open(t, other)
	journaltest.Append(t, quiet, journal.Entry{Call: "standing", Seq: 1, Event: "call.connected", State: []byte("state")})
	for i := range 120 {
		journaltest.Append(t, busy, journal.Entry{Call: "busy " + strconv.Itoa(i), Seq: 1, Event: "call.ended", Final: true, Data: make([]byte, 100<<10)})
		journaltest.Append(t, quiet, journal.Entry{Call: "quiet", Seq: uint64(i) + 1, Event: "call.ringing"})
	}
	journaltest.Append(t, busy, journal.Entry{Call: "own", Seq: 1})
	journaltest.Close(t, quiet)
	quiet = journaltest.Open(t, s)
	if live := journaltest.Live(t, quiet); len(live) != 2 || string(live["standing"].State) != "state" {
		t.Errorf("of the node that writes little live %v, want its standing call and its last one", live)
	}
	if live := journaltest.Live(t, busy); len(live) != 1 || live["own"].Seq != 1 {
		t.Errorf("of the busy node live %v, want its own call", live)
	}
}
