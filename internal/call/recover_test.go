package call

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyCall is a call in any state that events can lead to.
func anyCall(t *rapid.T) Call {
	o := order()
	o.Mode = Mode(rapid.IntRange(0, 1).Draw(t, "mode"))
	o.Automatic, o.Fallback, o.Keep = rapid.Bool().Draw(t, "automatic"), rapid.Bool().Draw(t, "fallback"), time.Minute
	o.Subject = rapid.String().Draw(t, "subject")
	if rapid.Bool().Draw(t, "wishes") {
		o.Wishes = &Wishes{Metadata: map[string]string{"ticket": "4711", "x": ""}, CalleeRing: time.Second, Shown: [2]string{"a", "b"}}
	}
	c, w := New("id", o), ledger{}
	c, _ = Step(c, Start{}, nil)
	for range rapid.IntRange(0, 40).Draw(t, "events") {
		l := Leg(rapid.IntRange(0, NumLegs-1).Draw(t, "leg"))
		all := stayEvents(l, SDP(rapid.IntRange(0, int(BadSDP)).Draw(t, "SDP")), &Party{URI: "sip:207@example.com"})
		for _, e := range events {
			all = append(all, e.event)
		}
		if e := all[rapid.IntRange(0, len(all)-1).Draw(t, "event")]; o.Mode == ByRefer && c.bridge == nil || w.possible(&c, e) {
			c, _ = Step(c, e, nil)
		}
	}
	return c
}

// TestRestoreLaws: what was saved is the same call again, but for what was under way; and
// whatever it was, after Restored it has ended, or its parties talk, or a phone is waited
// for that has our REFER.
func TestRestoreLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCall(t)
		got, err := Restore(c.Save(nil))
		if err != nil {
			t.Fatal(err)
		}
		want := c
		want.flow.pending = nil
		if b := c.bridge; b != nil {
			own := *b
			own.late = false
			if own.ex = (exchange{}); b.ex.stage != none {
				own.ex.stage = interrupted
			}
			want.bridge = &own
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Call{}, referFlow{}, bridge{}, side{}, exchange{})); diff != "" {
			t.Fatalf("restored (-want +got):\n%s", diff)
		}
		checkRestored(t, got)
	})
}

func checkRestored(t *rapid.T, c Call) {
	t.Helper()
	before := c
	var effects []Effect
	c, effects = Step(c, Restored{}, nil)
	for _, e := range effects {
		switch e.(type) {
		case Invite, Refer:
			t.Fatalf("%s: %T after a crash", before.State, e)
		}
	}
	switch {
	case before.State == Connected || before.State == Transferring:
		if c.State != Connected {
			t.Fatalf("parties that talked are %s", c.State)
		}
	case c.State == Ended || c.flow.pending != nil:
	case c.bridge == nil && (c.flow.subscription == subscribed || before.State == HandedOff):
	default:
		t.Fatalf("what was %s is %s", before.State, c.State)
	}
	c, _ = Step(c, Hangup{ByAgent}, effects)
	finish(t, c)
}

// finish answers all that a call that was hung up waits for, after which it is over.
func finish(t *rapid.T, c Call) {
	t.Helper()
	for l := range numLegs {
		for _, e := range []Event{Rejected{on(l, 487)}, Released{Leg: l}} {
			c, _ = Step(c, e, nil)
		}
	}
	if !c.Over() {
		t.Fatalf("the call never ends: %s %+v %+v", c.State, c.CallerLeg, c.bridge)
	}
}

// What was saved by somebody else, or cut off, is refused.
func FuzzRestore(f *testing.F) {
	c, _ := Step(New("id", order()), Start{}, nil)
	f.Add(c.Save(nil))
	f.Add([]byte{savedAs})
	f.Fuzz(func(_ *testing.T, b []byte) {
		c, err := Restore(b)
		if err != nil {
			return
		}
		c.Sides()
		c.Dialogs()
		c, _ = Step(c, Restored{}, nil)
		_, _ = Step(c, Hangup{ByAgent}, nil)
	})
}
