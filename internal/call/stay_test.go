package call

import (
	"testing"

	"pgregory.net/rapid"
)

// on puts an event of a response on a leg.
func on(l Leg, status int) Response {
	r := response(status)
	r.Leg = l
	return r
}

// stayEvents are those of INVITE mode, on a leg and with SDP as they are drawn.
func stayEvents(l Leg, sdp SDP, target *Party) []Event {
	return []Event{
		Start{},
		Calling{on(l, 100)},
		Progress{Response: on(l, 100)},
		Progress{Response: on(l, 180)},
		Progress{Response: on(l, 183), Offer: sdp},
		Progress{Response: on(l, 407)},
		Answered{Response: on(l, 200), SDP: sdp},
		Answered{Response: on(l, 200), SDP: GoodSDP},
		Answered{Response: on(l, 200), SDP: GoodSDP},
		Rejected{on(l, 486)},
		Rejected{on(l, 488)},
		Rejected{on(l, 487)},
		SendFailed{on(l, 408)},
		SendFailed{on(l, 503)},
		Renegotiated{on(l, 200), sdp},
		Renegotiated{on(l, 200), GoodSDP},
		Renegotiated{on(l, 488), NoSDP},
		Renegotiated{on(l, 491), NoSDP},
		Renegotiated{on(l, 481), NoSDP},
		Referred{on(l, 405)},
		Notified{Leg: l, Event: "refer", State: active, Body: "SIP/2.0 200 OK"},
		Reinvited{Leg: l, SDP: sdp},
		Reinvited{Leg: l, SDP: GoodSDP},
		Reinvited{Leg: l, SDP: sdp, Update: true},
		Acked{Leg: l, SDP: sdp},
		HungUp{Leg: l},
		Released{Leg: l},
		Lost{Leg: l},
		TimerFired{RingTimer},
		TimerFired{GlareTimer},
		TimerFired{DurationTimer},
		Transfer{Leg: l % 2, Target: target},
		Hold{l % 2},
		Resume{l % 2},
		RefreshDue{l},
		Hangup{ByAgent},
	}
}

// ledger counts what happened on each side of a call.
type ledger struct {
	calls, acks, byes, ends [NumLegs]int
	requests, answers       int
	offers, pracks          int           // in reliable provisional responses
	asked                   [NumLegs]bool // a re-INVITE of ours is under way
}

func (w *ledger) take(t *rapid.T, effects []Effect) {
	t.Helper()
	for _, e := range effects {
		switch e := e.(type) {
		case Invite:
			w.calls[e.Leg]++
		case Ack:
			w.acks[e.Leg]++
		case Bye:
			w.byes[e.Leg]++
		case Release:
			w.ends[e.Leg]++
		case Respond:
			w.answers++
		case Reinvite:
			if w.asked[e.Leg] {
				t.Fatal("a re-INVITE while one is under way (RFC 3261 section 14.1)")
			}
			w.asked[e.Leg] = true
		case Prack:
			w.pracks++
		case Refer, Cancel, StartTimer, StopTimer, Ping, Forward:
		}
	}
}

// possible tells whether the outside could bring e to c: the adapter answers for it
// that a response belongs to a request.
func (w *ledger) possible(c *Call, e Event) bool {
	calling := func(l Leg) bool { return c.bridge != nil && c.bridge.side[l].calling() }
	switch e := e.(type) {
	case Answered:
		return calling(e.Leg)
	case Rejected:
		return calling(e.Leg)
	case SendFailed:
		return calling(e.Leg)
	case Renegotiated:
		ok := w.asked[e.Leg]
		w.asked[e.Leg] = false
		return ok
	case Released:
		return c.bridge != nil && c.bridge.side[e.Leg].bye
	default:
		return true
	}
}

// TestStayLaws drives calls of INVITE mode through events in any order and checks
// what must hold whatever happens: each 2xx gets one ACK, each request one answer, a
// leg at most one BYE, and no leg outlives the call.
func TestStayLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := order()
		o.Mode, o.Automatic = ByStay, rapid.Bool().Draw(t, "automatic")
		c, w := New("id", o), ledger{}
		apply := func(e Event) {
			if !w.possible(&c, e) {
				return
			}
			before := c
			var effects []Effect
			c, effects = Step(c, e, nil)
			w.take(t, effects)
			switch e := e.(type) {
			case Notified, Reinvited, HungUp:
				w.requests++
			case Progress:
				if e.Offer != NoSDP && before.bridge.side[e.Leg].calling() {
					w.offers++
				}
			case Answered:
				w.acks[e.Leg]--
			case Renegotiated:
				// Behind a BYE the adapter acknowledges by itself.
				if e.Status < 300 && before.bridge.side[e.Leg].state == Confirmed {
					w.acks[e.Leg]--
				}
			}
			checkStay(t, before, c, e)
		}
		apply(Start{})
		n := rapid.IntRange(0, 60).Draw(t, "events")
		for range n {
			l := Leg(rapid.IntRange(0, NumLegs-1).Draw(t, "leg"))
			sdp := SDP(rapid.IntRange(0, int(BadSDP)).Draw(t, "SDP"))
			all := stayEvents(l, sdp, &o.Agent)
			apply(all[rapid.IntRange(0, len(all)-1).Draw(t, "event")])
		}
		apply(Hangup{ByAgent})
		for l := range numLegs {
			apply(Renegotiated{on(l, 200), GoodSDP})
			apply(Rejected{on(l, 487)})
			apply(Released{Leg: l})
		}
		w.check(t, &c)
	})
}

func (w *ledger) check(t *rapid.T, c *Call) {
	t.Helper()
	if !c.Over() {
		t.Fatalf("the call never ends: %s %+v", c.State, c.bridge.side)
	}
	if w.pracks != w.offers {
		t.Fatalf("%d early offers got %d answers", w.offers, w.pracks)
	}
	if w.answers != w.requests {
		t.Fatalf("%d requests got %d answers", w.requests, w.answers)
	}
	for l := range numLegs {
		if w.acks[l] != 0 {
			t.Fatalf("%s: %d ACKs too many", l, w.acks[l])
		}
		if w.byes[l] > w.calls[l] || w.ends[l] != w.calls[l] {
			t.Fatalf("%s: %d INVITEs, %d BYEs, released %d times", l, w.calls[l], w.byes[l], w.ends[l])
		}
	}
}

func checkStay(t *rapid.T, before, after Call, e Event) {
	t.Helper()
	if before.State == Ended && (after.State != Ended || after.Outcome != before.Outcome) {
		t.Fatalf("%T changed an ended call from %v to %v", e, before.Outcome, after.Outcome)
	}
	if after.State == Ended && after.Outcome.Result == "" {
		t.Fatalf("%T ended the call without a result", e)
	}
	if r, ok := e.(Rejected); ok && before.State == Connected && r.Leg == before.bridge.free() && after.State != Connected {
		t.Fatalf("the end of a target that was given up made the call %s", after.State)
	}
	for _, d := range after.Dialogs() {
		if d.Party == nil {
			t.Fatalf("%T made a leg without a party", e)
		}
	}
	if after.State == Connected {
		b := after.bridge
		if !b.side[b.caller].up() || !b.side[b.callee].up() || b.target != numLegs {
			t.Fatalf("%T: connected, with legs %+v", e, b.side)
		}
	}
}

func BenchmarkInviteCall(b *testing.B) {
	o := order()
	o.Mode = ByStay
	events := []Event{
		Start{},
		Calling{on(Caller, 100)},
		Progress{Response: on(Caller, 100)},
		Progress{Response: on(Caller, 180)},
		Answered{Response: on(Caller, 200), SDP: GoodSDP},
		Calling{on(Callee, 100)},
		Progress{Response: on(Callee, 100)},
		Progress{Response: on(Callee, 180)},
		Answered{Response: on(Callee, 200), SDP: GoodSDP},
		Renegotiated{on(Caller, 200), GoodSDP},
		HungUp{Leg: Callee},
		Released{Leg: Caller},
	}
	b.ReportAllocs()
	effects := make([]Effect, 0, 8) // Used again, as the engine does.
	for b.Loop() {
		c := New("id", o)
		for _, e := range events {
			c, effects = Step(c, e, effects[:0])
		}
		if !c.Over() {
			b.Fatal("the call is not over")
		}
	}
	b.ReportMetric(float64(len(events)), "steps/op")
}
