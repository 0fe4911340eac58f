package chronicle_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/call"
	"callcontroller/internal/chronicle"
)

func orderIn(mode call.Mode) *call.Order {
	return &call.Order{
		Mode: mode, Fallback: true, Agent: call.Party{URI: "sip:203@example.com", User: "203"}, Caller: call.Party{URI: "sip:201@example.com"}, Callee: call.Party{URI: "sip:202@example.com"},
		Limits: &call.Limits{RingTimeout: time.Minute, NotifyTimeout: time.Minute, ReferLimit: time.Minute},
	}
}

func on(l call.Leg, status int) call.Response {
	return call.Response{Leg: l, Status: status, Line: "SIP/2.0"}
}

// play feeds a call events and gives what is told of it.
func play(c call.Call, events ...call.Event) string {
	var told []string
	for _, e := range events {
		next, _ := call.Step(c, e, nil)
		for _, change := range chronicle.ChangesOf(&c, &next, nil) {
			told = append(told, strings.TrimSpace(change.Type+" "+change.Leg))
		}
		c = next
	}
	return strings.Join(told, ", ")
}

func TestChangesOfCalls(t *testing.T) {
	sipfrag := func(text, state string) call.Event {
		return call.Notified{Leg: call.Caller, Event: "refer", State: state, Body: text}
	}
	set := []call.Event{
		call.Start{}, call.Progress{Response: on(call.Caller, 180)}, call.Answered{Response: on(call.Caller, 200), SDP: call.GoodSDP},
	}
	stay := slices.Concat(set, []call.Event{
		call.Progress{Response: on(call.Callee, 180)}, call.Answered{Response: on(call.Callee, 200), SDP: call.GoodSDP}, call.Renegotiated{Response: on(call.Caller, 200), SDP: call.GoodSDP},
	})
	const staying = "call.created, call.leg.trying caller, call.leg.ringing caller, call.leg.answered caller, call.leg.trying callee, call.leg.ringing callee, " +
		"call.leg.answered callee, call.connected"
	for _, tt := range []struct {
		name   string
		mode   call.Mode
		events []call.Event
		want   string
	}{
		{"busy", call.ByRefer, []call.Event{call.Start{}, call.Rejected{Response: on(call.Caller, 486)}}, "call.created, call.leg.trying caller, call.leg.ended caller, call.ended"},
		{
			"refer", call.ByRefer, append(set[:3:3], call.Referred{Response: on(call.Caller, 202)}, sipfrag("SIP/2.0 180 Ringing", "active"), sipfrag("SIP/2.0 200 OK", "terminated"), call.Released{Leg: call.Caller}),
			"call.created, call.leg.trying caller, call.leg.ringing caller, call.leg.answered caller, call.handed_off, call.leg.ended caller, call.ended",
		},
		{"stay and hang up", call.ByStay, append(stay[:len(stay):len(stay)], call.HungUp{Leg: call.Callee}, call.Released{Leg: call.Caller}), staying + ", call.leg.ended caller, call.leg.ended callee, call.ended"},
		{
			"early media", call.ByStay,
			[]call.Event{call.Start{}, call.Progress{Response: on(call.Caller, 180)}, call.Progress{Response: on(call.Caller, 183), Media: true}, call.Progress{Response: on(call.Caller, 183), Media: true}},
			"call.created, call.leg.trying caller, call.leg.ringing caller, call.leg.early_media caller",
		},
		{
			"transfer", call.ByStay, append(stay[:len(stay):len(stay)], call.Transfer{Leg: call.Caller, Target: &call.Party{URI: "sip:204@example.com"}}, call.Progress{Response: on(call.Target, 180)},
				call.Rejected{Response: on(call.Target, 486)}),
			staying + ", call.leg.trying target, call.transfer.started, call.leg.ringing target, call.leg.ended target, call.transfer.failed",
		},
		{
			"hold", call.ByStay, append(stay[:len(stay):len(stay)], call.Hold{Leg: call.Caller}), staying + ", call.leg.held caller, call.leg.held callee",
		},
	} {
		if got := play(call.New("c", orderIn(tt.mode)), tt.events...); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// TestLawsOfChanges: whatever happens to a call, it is created once and first, and it ends
// at most once and last.
func TestLawsOfChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]call.Mode{call.ByRefer, call.ByStay}).Draw(t, "mode")
		events := []call.Event{call.Start{}}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			events = append(events, event(t))
		}
		told := strings.Split(play(call.New("c", orderIn(mode)), events...), ", ")
		for i, what := range told {
			switch {
			case (what == "call.created") != (i == 0):
				t.Fatalf("%q", told)
			case what == "call.ended" && i < len(told)-1:
				t.Fatalf("more is told behind the end: %q", told)
			}
		}
	})
}

func event(t *rapid.T) call.Event {
	l := rapid.SampledFrom([]call.Leg{call.Caller, call.Callee, call.Target}).Draw(t, "leg")
	status := rapid.SampledFrom([]int{180, 183, 200, 486, 488, 491, 603}).Draw(t, "status")
	return rapid.SampledFrom([]call.Event{
		call.Progress{Response: on(l, 180)},
		call.Answered{Response: on(l, 200), SDP: call.GoodSDP},
		call.Rejected{Response: on(l, max(status, 300))},
		call.Renegotiated{Response: on(l, status), SDP: call.GoodSDP},
		call.HungUp{Leg: l},
		call.Released{Leg: l},
		call.Lost{Leg: l},
		call.Referred{Response: on(l, status)},
		call.Transfer{Leg: call.Caller, Target: &call.Party{URI: "sip:204@example.com"}},
		call.Hold{Leg: call.Caller},
		call.Resume{Leg: call.Callee},
		call.Notified{Leg: l, Event: "refer", State: "active", Body: "SIP/2.0 200 OK"},
		call.TimerFired{Timer: call.RingTimer},
		call.Hangup{By: call.ByAgent},
	}).Draw(t, "event")
}
