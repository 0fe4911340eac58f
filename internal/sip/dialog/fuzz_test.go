package dialog

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"callcontroller/internal/sip"
)

// received gives a message with that field as it comes from the network.
func received(t *testing.T, fields ...sip.Field) *sip.Message {
	t.Helper()
	m := &sip.Message{Status: 200, Reason: "OK", Fields: fields}
	again, err := sip.Parse(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Fields) != len(fields)+1 {
		t.Fatalf("%d fields became %d:\n%s", len(fields)+1, len(again.Fields), m)
	}
	return again
}

func TestTimerField(t *testing.T) {
	for value, want := range map[string]Timer{
		"1800": {Expires: 1800}, "90;refresher=uac": {Expires: 90, UAC: true}, "90 ; Refresher = UAS": {Expires: 90, UAS: true},
		"90\t;refresher=uas": {Expires: 90, UAS: true}, "90;refresher=both": {Expires: 90}, "-90": {}, "+90": {}, "2147483648": {}, ";refresher=uac": {UAC: true}, "": {},
	} {
		if got := ParseTimer(received(t, field(sip.SessionExpires, value))); got != want {
			t.Errorf("Session-Expires %q is %+v, want %+v", value, got, want)
		}
	}
	for value, want := range map[string]uint32{"120": 120, "120;x=y": 120, "120\t;x=y": 120, "1h": 0} {
		if got := ParseMinSE(received(t, field(sip.MinSE, value))); got != want {
			t.Errorf("Min-SE %q is %d, want %d", value, got, want)
		}
	}
}

// FuzzFields: Session-Expires, Min-SE, Retry-After and RSeq are the number that stands
// first, or nothing; a Session-Expires of ours, and a Reason with any text, are read as
// they were meant.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"1800;refresher=uac", "90 ; refresher = \"uas\"", "120 (I'm \"busy\");duration=60", "4294967295", "+1", "0x10", "1_0", "9\t;x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := received(t, field(sip.SessionExpires, s), field(sip.MinSE, s), field(sip.RetryAfter, s), field(sip.RSeq, s), field(sip.Require, rel100))
		text := m.Get(sip.RetryAfter)
		want := leading(text)
		timer := ParseTimer(m)
		if timer.Expires != want || ParseMinSE(m) != want || delta(text) != want {
			t.Errorf("%q is read as %d, %d and %d, want %d", text, timer.Expires, ParseMinSE(m), delta(text), want)
		}
		if again := ParseTimer(received(t, timer.Field())); again != timer || timer.UAC && timer.UAS {
			t.Errorf("%+v is read as %+v", timer, again)
		}
		seq, err := strconv.ParseUint(text, 10, 32)
		if got := reliableSeq(m); err == nil && got != uint32(seq) || err != nil && got != 0 {
			t.Errorf("RSeq %q is read as %d", text, got)
		}
		reason := sip.Params(strings.TrimPrefix(received(t, Reason(486, s)).Get(sip.Reason), "SIP"))
		cause, _ := reason.Get("cause")
		if got, _ := reason.Get("text"); cause != "486" || got != sip.Unquote(sip.Quote(s)) && s != "" || strings.Count(string(reason), ";cause=") > 1+strings.Count(s, ";cause=") {
			t.Errorf("the Reason with the text %q is %q", s, reason)
		}
	})
}

// leading reads the number at the start of a text in another way than the code does.
func leading(text string) uint32 {
	end := strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune("; \t(", r) })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil || n > math.MaxInt32 || strings.Trim(text[:end], "0123456789") != "" {
		return 0
	}
	return uint32(n)
}

// FuzzDialog: whatever Contact, Record-Route and To a 2xx has, a request in the dialog
// that it makes can be read, and goes where they say.
func FuzzDialog(f *testing.F) {
	f.Add("<sip:p1;lr>, \"a, b\" <sip:p2;lr>;x=\",\"", "<sip:b@h;transport=tcp?X=1>;expires=3", "<sip:b@h>;tag=1")
	f.Add("<sip:strict@p1?h=v>,<sip:p2;lr>", "sip:b@[::1]:5070;x=y", "\"B\" <sip:b@h>;tag=1;x")
	f.Add("sip:p1;lr", "*", "sip:b@h;tag=1")
	f.Add("<tel:1>, <, \"", "<sip:b@h", "<sip:b@h>")
	f.Fuzz(func(t *testing.T, route, contact, to string) {
		resp := received(t, field(sip.Via, "SIP/2.0/UDP h;branch=z9hG4bK1"), field(sip.RecordRoute, route), field(sip.Contact, contact),
			field(sip.From, "<sip:a@h>;tag=ours"), field(sip.To, to), field(sip.CallID, "1"), field(sip.CSeq, "7 INVITE"))
		if resp.Validate() != nil {
			return
		}
		user := firstAt{}
		d, err := fromResponse(user.Outgoing(), resp)
		s := &Session{user: user, sipCallID: "1", localTag: 7, dialog: d}
		if hop, broken := s.parts(d).nextHop(); broken != nil || !hop.IsSIP() || err != nil && len(s.parts(d).routes) == maxRoutes {
			return // Nothing is sent.
		}
		for _, method := range []string{sip.ACK, sip.BYE} {
			checkInDialog(t, s, method, resp)
		}
	})
}

// firstAt is who has sent an INVITE from sip:a@h to sip:b@h, at sip:first@h.
type firstAt struct{ User }

func (firstAt) Outgoing() Outgoing {
	uri := func(user string) sip.URI { return sip.URI{Scheme: "sip", User: user, Host: "h"} }
	return Outgoing{Target: uri("first"), From: sip.NameAddr{URI: uri("a")}, To: sip.NameAddr{URI: uri("b")}}
}

func checkInDialog(t *testing.T, s *Session, method string, resp *sip.Message) {
	t.Helper()
	req := s.request(s.dialog, method, 8)
	req.Prepend(sip.Via, "SIP/2.0/UDP h;branch=z9hG4bK2")
	got, err := sip.Parse(req.Bytes())
	if err == nil {
		err = got.Validate()
	}
	if err != nil {
		t.Fatalf("%v in\n%s", err, req)
	}
	target := "sip:first@h"
	if c, ok := resp.Contact(); ok && c.URI.IsSIP() {
		c.URI.Headers = ""
		target = c.URI.String()
	}
	want := slices.Collect(resp.Values(sip.RecordRoute))
	slices.Reverse(want)
	if len(want) > 0 && !loose(want[0]) {
		first, err := sip.ParseNameAddr(want[0])
		if err != nil {
			t.Fatal(err)
		}
		want, target = append(want[1:], "<"+target+">"), first.URI.String()
		if first.URI.Headers != "" {
			target, _, _ = strings.Cut(target, "?")
		}
	}
	if routes := slices.Collect(got.Values(sip.Route)); !slices.Equal(routes, want) || got.RequestURI != target {
		t.Errorf("to %s by %q, want %s by %q", got.RequestURI, routes, target, want)
	}
	if got.ToTag() != resp.ToTag() || got.FromTag() != s.localTag.String() || len(got.Fields) != len(req.Fields)+1 {
		t.Errorf("tags %q and %q in\n%s", got.FromTag(), got.ToTag(), got.Raw())
	}
}
