package call

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// events are one of each kind that matters, with its name in the matrix.
var events = []struct {
	name  string
	event Event
}{
	{"Start", Start{}},
	{"INVITE leaves", sending(100)},
	{"100", progress(100)},
	{"180", progress(180)},
	{"407 answered", progress(407)},
	{"200", answer(200)},
	{"200 by a proxy", routed(200)},
	{"486", reject(486)},
	{"487", reject(487)},
	{"488", reject(488)},
	{"silence 408", silent(408)},
	{"unreachable 503", silent(503)},
	{"REFER 202", referred(202)},
	{"REFER 405", referred(405)},
	{"REFER 408", referred(408)},
	{"NOTIFY 100", notify(active, "SIP/2.0 100 Trying")},
	{"NOTIFY 180", notify(active, "SIP/2.0 180 Ringing")},
	{"NOTIFY 200", notify(terminal, "SIP/2.0 200 OK")},
	{"NOTIFY 486 active", notify("active", "SIP/2.0 486 Busy Here")},
	{"NOTIFY end", notify(terminal, "")},
	{"NOTIFY dialog", Notified{Event: "dialog", State: active}},
	{"re-INVITE", Reinvited{}},
	{"BYE", HungUp{}},
	{"BYE done", Released{}},
	{"lost", Lost{}},
	{"ring timer", TimerFired{RingTimer}},
	{"settle timer", TimerFired{SettleTimer}},
	{"notify timer", TimerFired{NotifyTimer}},
	{"refer timer", TimerFired{ReferTimer}},
	{"hang up", Hangup{ByAgent}},
}

// prefixes lead to each state in which a call can stand.
var prefixes = []struct {
	name  string
	steps []Event
}{
	{"queued", nil},
	{"calling caller", []Event{Start{}}},
	{"calling caller without SDP", []Event{Start{}, reject(488)}},
	{"caller ringing", []Event{Start{}, progress(180)}},
	{"caller ringing, cancelled", []Event{Start{}, progress(180), TimerFired{RingTimer}}},
	{"caller answered, before REFER", []Event{Start{}, routed(200)}},
	{"caller answered", []Event{Start{}, answer(200)}},
	{"caller answered, hung up", []Event{Start{}, answer(200), HungUp{}}},
	{"calling callee", []Event{Start{}, answer(200), referred(202)}},
	{"calling callee, hung up", []Event{Start{}, answer(200), referred(202), HungUp{}}},
	{"callee ringing", []Event{Start{}, answer(200), referred(202), notify(active, "SIP/2.0 180 Ringing")}},
	{"handed off", []Event{Start{}, answer(200), referred(202), notify(terminal, "SIP/2.0 200 OK")}},
	{"ended, BYE under way", []Event{Start{}, answer(200), referred(202), notify(terminal, "SIP/2.0 486 Busy Here")}},
	{"over", []Event{Start{}, reject(486)}},
}

// TestMatrix holds the whole machine against its document, testdata/matrix.txt:
// what each event does in each state. Run with -update after a wanted change, and
// read the difference.
func TestMatrix(t *testing.T) {
	var b strings.Builder
	for _, p := range prefixes {
		fmt.Fprintf(&b, "== %s\n", p.name)
		for _, e := range events {
			c := New("id", order())
			for _, s := range p.steps {
				c, _ = Step(c, s, nil)
			}
			after, effects := Step(c, e.event, nil)
			text := describe(after, effects)
			if len(after.Rows) > len(c.Rows) {
				text += " [row]"
			}
			if after.State == c.State && len(effects) == 0 && len(after.Rows) == len(c.Rows) && after.CallerLeg == c.CallerLeg {
				text = "-"
			}
			fmt.Fprintf(&b, "%-18s %s\n", e.name, text)
		}
	}
	const golden = "testdata/matrix.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the machine differs from its document (-want +got):\n%s", d)
	}
}

// watch counts what the laws speak of.
type watch struct {
	acks, byes, cancels, invites, releases int
	responses                              int
	running                                [NumTimers]bool
}

// alone checks that no other timer runs where t is kept.
func (w *watch) alone(tb *rapid.T, t Timer) {
	tb.Helper()
	for i, runs := range w.running {
		if other := Timer(i); runs && other != t && other.Slot() == t.Slot() {
			tb.Fatalf("timers %s and %s meet", t, other)
		}
	}
}

func (w *watch) take(t *rapid.T, effects []Effect) {
	t.Helper()
	for _, e := range effects {
		switch e := e.(type) {
		case Ack:
			w.acks++
		case Bye:
			w.byes++
		case Cancel:
			w.cancels++
		case Invite:
			w.invites++
		case Release:
			w.releases++
		case Respond:
			w.responses++
		case StartTimer:
			w.alone(t, e.Timer)
			w.running[e.Timer] = true
		case StopTimer:
			w.alone(t, e.Timer)
			w.running[e.Timer] = false
		case Refer:
		}
	}
}

// TestLaws drives calls through events in any order, as a hostile network could
// bring them, and checks what must hold whatever happens.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, w := New("id", order()), watch{}
		requests := 0
		apply := func(e Event) {
			before := c
			if fired, ok := e.(TimerFired); ok {
				w.running[fired.Timer] = false
			}
			var effects []Effect
			c, effects = Step(c, e, nil)
			w.take(t, effects)
			switch e.(type) {
			case Notified, Reinvited, HungUp:
				requests++
			}
			checkStep(t, before, c, e)
		}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(events)-1), 0, 40).Draw(t, "events") {
			apply(events[i].event)
		}
		// Whatever the state, the outside always brings these in the end.
		for _, e := range []Event{Start{}, silent(408), TimerFired{SettleTimer}, referred(408), TimerFired{NotifyTimer}, TimerFired{ReferTimer}, Released{}} {
			apply(e)
		}
		switch {
		case !c.Over():
			t.Fatalf("the call never ends: %s, leg %s", c.State, c.CallerLeg)
		case w.acks > 1 || w.byes > 1 || w.cancels > 1 || w.invites > 2:
			t.Fatalf("%d ACKs, %d BYEs, %d CANCELs, %d INVITEs", w.acks, w.byes, w.cancels, w.invites)
		case w.responses != requests:
			t.Fatalf("%d requests got %d answers", requests, w.responses)
		case w.releases < 1 || w.releases > max(w.invites, 1):
			t.Fatalf("%d INVITEs were released %d times", w.invites, w.releases)
		case w.running != [NumTimers]bool{}:
			t.Fatalf("timers run after the end: %v", w.running)
		}
	})
}

func checkStep(t *rapid.T, before, after Call, e Event) {
	t.Helper()
	if before.State == Ended && (after.State != Ended || after.Outcome != before.Outcome) {
		t.Fatalf("%T changed an ended call from %v to %v", e, before.Outcome, after.Outcome)
	}
	if len(after.Rows) < len(before.Rows) || !slices.Equal(before.Rows, after.Rows[:len(before.Rows)]) {
		t.Fatalf("%T changed a recorded row", e)
	}
	if after.State == Ended && after.Outcome.Result == "" {
		t.Fatalf("%T ended the call without a result", e)
	}
	if before.CallerLeg == Terminated && after.CallerLeg == Confirmed {
		t.Fatalf("%T brought a dead leg back", e)
	}
}
