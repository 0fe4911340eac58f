package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/journal"
)

// events are the entries of a call as "seq type", those without an event as "seq -".
func (p *paper) events(id call.ID) (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.entries {
		if e.Call == string(id) {
			name := e.Event
			if name == "" {
				name = "-"
			}
			list = append(list, fmt.Sprint(e.Seq, " ", name))
		}
	}
	return list
}

// TestPhonesWaitForTheJournal: no INVITE and no ACK leaves before what it does is stored,
// and nothing else waits.
func TestPhonesWaitForTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &paper{})
		r := w.begin("a")
		w.did(t, "")
		w.paper.stored()
		w.did(t, "INVITE")
		r.Post(call.Progress{Response: response(180)})
		r.Post(call.Answered{Response: response(200)})
		w.did(t, "INVITE")
		w.paper.stored()
		w.did(t, "INVITE, ACK, REFER")
		r.Post(call.Referred{Response: response(202)})
		r.Post(call.Hangup{})
		w.did(t, "INVITE, ACK, REFER, BYE")
		r.Post(call.Released{})
		w.did(t, "INVITE, ACK, REFER, BYE, release")
	})
}

// TestSecuredAtOnce: an INVITE whose call is secure at once leaves on the goroutine that
// places the call; the ACK waits, for what brings its answer may not wait for a disk.
func TestSecuredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &paper{atOnce: true})
		r := w.begin("a")
		w.did(t, "INVITE")
		r.Post(call.Answered{Response: response(200)})
		w.did(t, "INVITE")
		w.paper.stored()
		w.did(t, "INVITE, ACK, REFER")
	})
}

// did checks which effects were performed when all that can go on has gone on.
func (w *world) did(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := strings.Join(w.wire.effects(), ", "); got != want {
		t.Fatalf("performed %q, want %q", got, want)
	}
}

// TestJournalThatDoesNotAnswer: a call waits for Patience, and not for ever; an answer that
// comes later does nothing.
func TestJournalThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &paper{})
		w.begin("a")
		time.Sleep(Patience - time.Millisecond)
		w.did(t, "")
		w.begin("b")
		time.Sleep(tick + time.Millisecond)
		w.did(t, "INVITE")
		w.paper.stored() // b goes on, and a does not do it once more
		w.did(t, "INVITE, INVITE")
		time.Sleep(2 * Patience)
		w.did(t, "INVITE, INVITE")
	})
}

// TestNobodyWaitsForNothing: who cannot be recorded goes on at once.
func TestNobodyWaitsForNothing(t *testing.T) {
	for name, p := range map[string]*paper{
		"the journal is down":       {health: errors.New("no disk")},
		"the journal takes nothing": {refuses: func(*journal.Entry) error { return errors.New("full") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, p)
			w.begin("a")
			if got := w.wire.effects(); !slices.Equal(got, []string{"INVITE"}) {
				t.Errorf("performed %v", got)
			}
		})
	}
}

// TestSeqHasNoGap: what the journal has refused takes no number, is counted, and the log
// tells of it, but not a thousand times.
func TestSeqHasNoGap(t *testing.T) {
	n := 0
	w := newWorld(t, &paper{refuses: func(*journal.Entry) error {
		if n++; n%2 == 0 {
			return errors.New("full")
		}
		return nil
	}})
	for i := range 100 {
		r := w.begin(call.ID(strconv.Itoa(i)))
		r.GoOn()
		r.Post(call.Progress{Response: response(180)})
		r.Post(call.Rejected{Response: response(486)})
	}
	lost, kept := w.Lost(), 0
	for i := range 100 {
		seq := uint64(0)
		for _, e := range w.paper.entries {
			if e.Call != strconv.Itoa(i) || e.Event == "" {
				continue
			}
			if seq++; e.Seq != seq {
				t.Fatalf("call %d: entry %d after %d", i, e.Seq, seq-1)
			}
			kept++
		}
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d entries are lost, %d kept", lost, kept)
	}
	if lines := strings.Count(w.log.String(), "takes no entry"); lines == 0 || lines > 10 {
		t.Errorf("%d lines tell of %d lost entries:\n%s", lines, lost, w.log)
	}
}

// TestEntriesOfACall has what is told of a whole call, and what that has in it.
func TestEntriesOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &paper{})
		r := w.begin("a")
		for _, ev := range []call.Event{
			call.Progress{Response: response(100)},
			call.Progress{Response: response(180)},
			call.Progress{Response: response(180)},
			call.Rejected{Response: response(486)},
		} {
			w.paper.stored()
			synctest.Wait()
			r.Post(ev)
		}
		w.paper.stored()
		r.Forget()
		want := []string{"1 call.created", "2 call.leg.trying", "3 call.leg.ringing", "4 call.leg.ended", "5 call.ended", "5 -"}
		if got := w.paper.events("a"); !slices.Equal(got, want) {
			t.Errorf("entries %v, want %v", got, want)
		}
		for i, e := range w.paper.entries {
			if last := i == len(w.paper.entries)-1; e.Agent != "agent" || e.Final != last {
				t.Errorf("entry %d is of agent %q, final %t", i, e.Agent, e.Final)
			}
			var told api.Event
			if e.Event != "" && (json.Unmarshal(e.Data, &told) != nil || told.Type != e.Event || told.Seq != e.Seq || told.Call.ID != "a") {
				t.Errorf("entry %d tells %s", i, e.Data)
			}
		}
		if !slices.Equal(w.shelf.added, []call.ID{"a"}) || !slices.Equal(w.shelf.stored, []call.ID{"a"}) {
			t.Errorf("the archive has got %v, and was told that %v are stored", w.shelf.added, w.shelf.stored)
		}
	})
}

// TestRefused: a call that was never begun is one event, and no call to restore.
func TestRefused(t *testing.T) {
	w := newWorld(t, &paper{})
	c := call.New("a", &call.Order{Agent: call.Party{User: "agent"}})
	w.Refused(&c)
	w.paper.stored()
	if e := w.paper.entries; len(e) != 1 || e[0].Event != api.CallRefused || e[0].Seq != 1 || !e[0].Final || e[0].State != nil {
		t.Errorf("entries %+v", e)
	}
	if !slices.Equal(w.shelf.stored, []call.ID{"a"}) {
		t.Error("the archive was not told where it is")
	}
}

// TestRestore: another process takes up what this one has recorded. What cannot be read is
// left out, told once, and not tried again.
func TestRestore(t *testing.T) {
	old := newWorld(t, &paper{})
	lives := old.begin("lives")
	rings := old.begin("rings")
	over := old.begin("over")
	old.begin("forgotten").Post(call.Rejected{Response: response(486)})
	over.Post(call.Rejected{Response: response(486)})
	for _, r := range []*engine.Running{lives, rings, over} {
		r.GoOn()
	}
	lives.Post(call.Progress{Response: response(180)})
	forget(t, old, "forgotten")
	_ = old.paper.Append(journal.Entry{Call: "torn", Seq: 3, State: []byte{200, 1}}, nil)
	_ = old.paper.Append(journal.Entry{Call: "swapped", Seq: 3, State: old.paper.entries[0].State}, nil)

	w := newWorld(t, old.paper)
	taken := map[call.ID]*engine.Running{}
	if err := w.Restore(t.Context(), w.paper, w.engine, func(r *engine.Running) { taken[r.ID()] = r }); err != nil {
		t.Fatal(err)
	}
	if len(taken) != 3 || w.engine.Len() != 2 || !taken["over"].Over() {
		t.Fatalf("restored %v, of which %d live", taken, w.engine.Len())
	}
	if got := taken["lives"]; got.Snapshot().State != lives.Snapshot().State || got.Told() != lives.Told() || got.Told() == 0 {
		t.Errorf("restored as %s with %d events, was %s with %d", got.Snapshot().State, got.Told(), lives.Snapshot().State, lives.Told())
	}
	for _, id := range []call.ID{"torn", "swapped"} {
		if got := w.paper.events(id); !slices.Equal(got, []string{"3 -", "3 -"}) || strings.Count(w.log.String(), "call="+string(id)) != 1 {
			t.Errorf("%s: entries %v, log\n%s", id, got, w.log)
		}
	}
	if !strings.Contains(w.log.String(), "not all calls can be restored") {
		t.Errorf("what the journal could not give is not told:\n%s", w.log)
	}
	if !slices.Equal(w.shelf.added, []call.ID{"over"}) {
		t.Errorf("the archive has got %v", w.shelf.added)
	}
}

// forget has the journal know that nobody asks for a call.
func forget(t *testing.T, w *world, id call.ID) {
	t.Helper()
	for r := range w.engine.All() {
		if r.ID() == id {
			r.GoOn()
			r.Forget()
			return
		}
	}
	t.Fatal("there is no call", id)
}

// TestNoJournal: without one only the archive hears.
func TestNoJournal(t *testing.T) {
	w := newWorld(t, &paper{})
	w.journal = nil
	r := w.begin("a")
	r.Post(call.Rejected{Response: response(486)})
	r.Forget()
	c := r.Snapshot()
	w.Refused(c)
	if len(w.paper.entries) != 0 || !slices.Equal(w.shelf.added, []call.ID{"a"}) || !slices.Equal(w.wire.effects(), []string{"INVITE", "release"}) {
		t.Errorf("entries %v, archive %v, performed %v", w.paper.entries, w.shelf.added, w.wire.effects())
	}
}
