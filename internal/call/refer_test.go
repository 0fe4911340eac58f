package call

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// step is an event and what must come of it: the state and the effects.
type step struct {
	event Event
	want  string
}

const (
	active   = "active;expires=60"
	terminal = "terminated;reason=noresource"
)

// up brings a call to the answered caller's leg with an accepted REFER.
var up = []step{
	{Start{}, "calling_caller +ring Invite"},
	{progress(180), "caller_ringing"},
	{answer(200), "caller_answered -ring Ack Refer"},
	{referred(202), "calling_callee +notify +refer"},
}

var scenarios = map[string][]step{
	"T01 T10 T19 whole call, no BYE before the final NOTIFY": append(clone(up),
		step{notify(active, "SIP/2.0 100 Trying\r\n"), "calling_callee 200 -notify"},
		step{notify(active, "SIP/2.0 180 Ringing\r\n"), "callee_ringing 200 -notify"},
		step{notify(terminal, "SIP/2.0 200 OK\r\n"), "handed_off 200 -notify -notify -refer Bye"},
		step{Released{}, "ended(completed) Release"},
	),
	"a proxy is in the path: the ACK gets a lead": {
		{Start{}, "calling_caller +ring Invite"},
		{routed(200), "caller_answered -ring Ack +settle"},
		{TimerFired{SettleTimer}, "caller_answered Refer"},
		{TimerFired{SettleTimer}, "caller_answered"},
		{referred(202), "calling_callee +notify +refer"},
	},
	"a proxy is in the path: BYE during the lead": {
		{Start{}, "calling_caller +ring Invite"},
		{routed(200), "caller_answered -ring Ack +settle"},
		{HungUp{Request: 1}, "ended(cancelled) 200 -settle Release"},
		{TimerFired{SettleTimer}, "ended(cancelled)"},
	},
	"a proxy is in the path: hung up by the agent during the lead": {
		{Start{}, "calling_caller +ring Invite"},
		{routed(200), "caller_answered -ring Ack +settle"},
		{Hangup{ByAgent}, "ended(cancelled) -settle Bye:487"},
		{Released{}, "ended(cancelled) Release"},
	},
	"T03 the REFER is accepted with 200": {
		{Start{}, "calling_caller +ring Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
		{referred(200), "calling_callee +notify +refer"},
	},
	"T05 REFER refused": {
		{Start{}, "calling_caller +ring Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
		{referred(603), "ended(failed) Bye:603"},
		{Released{}, "ended(failed) Release"},
	},
	"T06 REFER unanswered": {
		{Start{}, "calling_caller +ring Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
		{referred(408), "ended(timeout) Bye:408"},
	},
	"T07 NOTIFY before the 202": {
		{Start{}, "calling_caller +ring Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
		{notify(active, "SIP/2.0 100 Trying"), "calling_callee 200 +notify +refer -notify"},
		{referred(202), "calling_callee"},
		{notify(terminal, "SIP/2.0 200 OK"), "handed_off 200 -notify -notify -refer Bye"},
	},
	"T07 final NOTIFY before the 202": {
		{Start{}, "calling_caller +ring Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
		{notify(terminal, "SIP/2.0 486 Busy Here"), "ended(busy) 200 +notify +refer -notify -notify -refer Bye:486"},
		{referred(202), "ended(busy)"},
		{Released{}, "ended(busy) Release"},
	},
	"T08 accepted, then silence": append(clone(up),
		step{TimerFired{NotifyTimer}, "ended(unknown) -notify -refer Bye:408"},
		step{Released{}, "ended(unknown) Release"},
	),
	"T08 reports stop before the final one": append(clone(up),
		step{notify(active, "SIP/2.0 180 Ringing"), "callee_ringing 200 -notify"},
		step{TimerFired{ReferTimer}, "ended(timeout) -notify -refer Bye:408"},
	),
	"T11 final sipfrag of failure": append(clone(up),
		step{notify(terminal, "SIP/2.0 603 Decline"), "ended(rejected) 200 -notify -notify -refer Bye:603"},
	),
	"T12 final sipfrag in an active subscription": append(clone(up),
		step{notify("active", "SIP/2.0 486 Busy Here\r\n"), "ended(busy) 200 -notify -notify -refer Bye:486"},
		step{Reinvited{Request: 2}, "ended(busy) 481"},
		step{Released{}, "ended(busy) Release"},
		step{notify("active", "SIP/2.0 200 OK"), "ended(busy) 200"},
	),
	"T13 terminated with a provisional sipfrag": append(clone(up),
		step{notify(terminal, "SIP/2.0 100 Trying"), "ended(unknown) 200 -notify -notify -refer Bye"},
	),
	"T13 terminated without a body": append(clone(up),
		step{notify(terminal, ""), "ended(unknown) 200 -notify -notify -refer Bye"},
	),
	"T15 event checks": append(clone(up),
		step{Notified{Event: "refer;id=9", ReferSeq: 2, State: active, Body: "SIP/2.0 200 OK"}, "calling_callee 481"},
		step{Notified{Event: "dialog", ReferSeq: 2, State: active}, "calling_callee 489"},
		step{Notified{ReferSeq: 2, State: active}, "calling_callee 400"},
		step{Notified{Event: "refer", ReferSeq: 2}, "calling_callee 400"},
		step{Notified{Event: "REFER", ReferSeq: 2, State: active, Body: "SIP/2.0 100 Trying"}, "calling_callee 200 -notify"},
	),
	"T15 NOTIFY before any REFER": {
		{Start{}, "calling_caller +ring Invite"},
		{notify(active, "SIP/2.0 200 OK"), "calling_caller 481"},
	},
	"T17 BYE right after the 202, the subscription lives on": append(clone(up),
		step{HungUp{Request: 7}, "calling_callee 200"},
		step{notify(active, "SIP/2.0 180 Ringing"), "callee_ringing 200 -notify"},
		step{notify(terminal, "SIP/2.0 200 OK"), "ended(completed) 200 -notify -notify -refer Release"},
	),
	"T18 hold before dialling": append(clone(up),
		step{Reinvited{Request: 3}, "calling_callee 200+sdp"},
	),
	"T24 BYE between the 200 and the 202, REFER refused": {
		{Start{}, "calling_caller +ring Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
		{HungUp{Request: 1}, "caller_answered 200"},
		{referred(481), "ended(cancelled) Release"},
	},
	"X01 the caller never answers": {
		{Start{}, "calling_caller +ring Invite"},
		{progress(180), "caller_ringing"},
		{TimerFired{RingTimer}, "caller_ringing Cancel:408"},
		{TimerFired{RingTimer}, "caller_ringing"},
		{reject(487), "ended(no_answer) -ring Release"},
	},
	"X02 the caller is busy": {
		{Start{}, "calling_caller +ring Invite"},
		{reject(486), "ended(busy) -ring Release"},
	},
	"U10 the CANCEL crosses a 200": {
		{Start{}, "calling_caller +ring Invite"},
		{progress(180), "caller_ringing"},
		{TimerFired{RingTimer}, "caller_ringing Cancel:408"},
		{answer(200), "ended(cancelled) -ring Ack Bye:487"},
		{Released{}, "ended(cancelled) Release"},
	},
	"U11 CANCEL answered, 487 never comes": {
		{Start{}, "calling_caller +ring Invite"},
		{progress(180), "caller_ringing"},
		{TimerFired{RingTimer}, "caller_ringing Cancel:408"},
		{silent(408), "ended(no_answer) -ring Release"},
	},
	"U03 the caller is silent": {
		{Start{}, "calling_caller +ring Invite"},
		{silent(408), "ended(timeout) -ring Release"},
	},
	"U12 a challenge starts the INVITE again": {
		{Start{}, "calling_caller +ring Invite"},
		{progress(407), "calling_caller"},
		{progress(100), "calling_caller"},
		{progress(180), "caller_ringing"},
	},
	"F02 one retry without SDP": {
		{Start{}, "calling_caller +ring Invite"},
		{reject(488), "calling_caller Release InviteNoSDP"},
		{reject(488), "ended(failed) -ring Release"},
	},
	"F02 no retry of a cancelled INVITE": {
		{Start{}, "calling_caller +ring Invite"},
		{Hangup{ByAgent}, "calling_caller -ring Cancel:487"},
		{reject(488), "ended(cancelled) -ring Release"},
	},
	"U21 an unknown final status counts as its class": {
		{Start{}, "calling_caller +ring Invite"},
		{reject(699), "ended(failed) -ring Release"},
	},
	"R09 replaced before it began": {
		{Hangup{ByAgent}, "ended(cancelled) Release"},
		{Start{}, "ended(cancelled)"},
	},
	"R09 replaced while the caller rings": {
		{Start{}, "calling_caller +ring Invite"},
		{progress(180), "caller_ringing"},
		{Hangup{ByAgent}, "caller_ringing -ring Cancel:487"},
		{reject(487), "ended(cancelled) -ring Release"},
	},
	"X03 hung up by the agent while the callee rings": append(clone(up),
		step{Hangup{ByAgent}, "ended(cancelled) -notify -refer Bye:487"},
		step{HungUp{Request: 4}, "ended(cancelled) 200 Release"},
		step{Released{}, "ended(cancelled)"},
	),
	"X06 the BYE is never answered": append(clone(up),
		step{notify(terminal, "SIP/2.0 200 OK"), "handed_off 200 -notify -notify -refer Bye"},
		step{HungUp{Request: 5}, "ended(completed) 200 Release"},
	),
	"re-INVITE without its ACK": append(clone(up),
		step{Reinvited{Request: 3}, "calling_callee 200+sdp"},
		step{Lost{}, "ended(failed) -notify -refer Release"},
	),
}

func clone(s []step) []step { return append([]step(nil), s...) }

func TestReferScenarios(t *testing.T) {
	for name, steps := range scenarios {
		t.Run(name, func(t *testing.T) {
			c := New("id", order())
			for i, s := range steps {
				var effects []Effect
				c, effects = Step(c, s.event, nil)
				if got := describe(c, effects); got != s.want {
					t.Fatalf("step %d, %T:\n got %s\nwant %s", i+1, s.event, got, s.want)
				}
			}
		})
	}
}

// TestF02PreferredOffer: a call begins with the offer that the phone took last
// time, and has one retry with the other one.
func TestF02PreferredOffer(t *testing.T) {
	c := New("id", order())
	c.Prefer(OfferNone)
	for i, s := range []step{
		{Start{}, "calling_caller +ring InviteNoSDP"},
		{reject(488), "calling_caller Release Invite"},
		{answer(200), "caller_answered -ring Ack Refer"},
	} {
		var effects []Effect
		c, effects = Step(c, s.event, nil)
		if got := describe(c, effects); got != s.want {
			t.Fatalf("step %d: got %s, want %s", i+1, got, s.want)
		}
	}
	if c.Offer() != OfferSink {
		t.Error("the call does not tell with which offer it was answered")
	}
}

// TestT09RowText: the whole body of a sipfrag is the row, trimmed at both ends.
func TestT09RowText(t *testing.T) {
	bodies := []string{
		"SIP/2.0 180 Ringing\r\n",
		"SIP/2.0 183 Session Progress\r\nTo: <sip:202@example.com>\r\nX-A: 1\r\n\r\n",
		"SIP/2.0 180 <a&b>",
		"   \r\n",
	}
	c := New("id", order())
	for _, s := range up {
		c, _ = Step(c, s.event, nil)
	}
	before := len(c.Rows)
	for _, b := range bodies {
		c, _ = Step(c, notify(active, b), nil)
	}
	var got []string
	for _, r := range c.Rows[before:] {
		if r.Method != ByNotify || r.SIPCallID != "c1" || !r.At.Time().Equal(epoch) {
			t.Errorf("row %+v is not of the NOTIFY", r)
		}
		got = append(got, r.Line)
	}
	want := []string{"SIP/2.0 180 Ringing", strings.TrimSpace(bodies[1]), "SIP/2.0 180 <a&b>"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestRowLimit: the first rows are kept and the last one, and copies of the call
// do not change.
func TestRowLimit(t *testing.T) {
	o := order()
	o.MaxRows = 3
	c := New("id", o)
	c, _ = Step(c, Start{}, nil)
	for _, status := range []int{100, 180, 181} {
		c, _ = Step(c, progress(status), nil)
	}
	full := c
	c, _ = Step(c, progress(183), nil)
	if got := full.Rows[2].Line; got != "SIP/2.0 181 X" {
		t.Errorf("an older copy of the call shows %q now", got)
	}
	if len(c.Rows) != 3 || c.Rows[0].Line != "SIP/2.0 100 X" || c.Rows[2].Line != "SIP/2.0 183 X" {
		t.Errorf("rows %v", c.Rows)
	}
}

// TestTextLimits: neither a row nor the cause of a BYE grows with what a phone
// sends, and no character is cut in two.
func TestTextLimits(t *testing.T) {
	c := New("id", order())
	for _, s := range up {
		c, _ = Step(c, s.event, nil)
	}
	c, effects := Step(c, notify(active, "SIP/2.0 486 "+strings.Repeat("é", 30_000)), nil)
	want := "SIP/2.0 486 " + strings.Repeat("é", (MaxRowText-12)/2)
	if got := c.Rows[len(c.Rows)-1].Line; got != want {
		t.Errorf("row of %d bytes, want %d", len(got), len(want))
	}
	bye, ok := effects[len(effects)-1].(Bye)
	if !ok || bye.Cause.Text != strings.Repeat("é", maxCauseText/2) {
		t.Errorf("%T, cause of %d bytes", effects[len(effects)-1], len(bye.Cause.Text))
	}
	if got := clip("aé", 2); got != "a" {
		t.Errorf("clip cut a character in two: %q", got)
	}
}

func TestParam(t *testing.T) {
	for value, want := range map[string]string{
		"refer;id=4": "4", "refer; x ;ID = 4": "4", "refer;id": "", "refer;x=1;id=4;id=5": "4", "refer": "none", "id=4": "none", "refer;xid=4": "none", "": "none",
	} {
		got, ok := param(value, "id")
		if !ok {
			got = "none"
		}
		if got != want {
			t.Errorf("id of %q is %q, want %q", value, got, want)
		}
	}
}

// TestR03FirstRow: with the switch a row stands as soon as the INVITE leaves, and only
// one, though the INVITE may leave twice.
func TestR03FirstRow(t *testing.T) {
	for _, first := range []bool{false, true} {
		o := order()
		o.FirstRow = first
		c := New("id", o)
		for _, e := range []Event{Start{}, sending(100), progress(180), reject(488), sending(100)} {
			c, _ = Step(c, e, nil)
		}
		var got []string
		for _, r := range c.Rows {
			got = append(got, r.Line)
		}
		want := []string{"SIP/2.0 180 X", "SIP/2.0 488 X"}
		if first {
			want = append([]string{"SIP/2.0 100 X"}, want...)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("FirstRow %t: %s", first, d)
		}
	}
}

func TestFragStatus(t *testing.T) {
	for body, want := range map[string]int{
		"SIP/2.0 200 OK\r\n": 200, "SIP/2.0 486 Busy Here": 486, "sip/2.0 100": 100, "SIP/2.0 180 Ringing\r\nTo: <sip:a>": 180,
		"": 0, "To: <sip:a>\r\nSIP/2.0 200 OK": 0, "SIP/2.0 2000 OK": 0, "SIP/2.0 99 X": 0, "SIP/2.0 700 X": 0, "HTTP/1.1 200 OK": 0,
		"SIP/2.0 20x OK": 0, "SIP/2.0 200": 200, "SIP/2.0 200\nTo: <sip:a>": 200,
	} {
		if got := fragStatus(body); got != want {
			t.Errorf("fragStatus(%q) = %d, want %d", body, got, want)
		}
	}
}

func BenchmarkReferCall(b *testing.B) {
	o := order()
	events := []Event{
		Start{},
		progress(100), progress(180), answer(200), referred(202), notify(active, "SIP/2.0 100 Trying\r\n"),
		notify(active, "SIP/2.0 180 Ringing\r\n"), notify(terminal, "SIP/2.0 200 OK\r\n"),
		Released{},
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
