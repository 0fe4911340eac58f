package sandbox_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
)

// offer is a plain session description with that direction.
func offer(direction string) []byte {
	return []byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP 8\r\na=" + direction + "\r\n")
}

func (r *raw) withSDP(m *sip.Message, body []byte) *sip.Message {
	m.Set(sip.ContentType, "application/sdp")
	m.Body = body
	return m
}

// calls has r call a phone and gives the INVITE and the 200.
func (r *raw) calls(user string, body []byte) (invite, ok *sip.Message) {
	r.t.Helper()
	m := r.request(sip.INVITE, "sip:"+user+"@demo.test")
	if body != nil {
		r.withSDP(m, body)
	}
	invite = r.challenged(m)
	r.send(invite)
	ok = r.hears(200)
	r.send(r.inside(sip.ACK, invite, ok))
	return invite, ok
}

func wantLine(t *testing.T, body []byte, line string) {
	t.Helper()
	if !strings.Contains(string(body), line) {
		t.Errorf("no %q in\n%s", line, body)
	}
}

func TestPhoneAnswersWithMedia(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	_, ok := r.calls("201", offer("sendrecv"))
	wantLine(t, ok.Body, " RTP/AVP 8\r\n")
	_, ok = r.calls("202", nil) // It makes the offer.
	wantLine(t, ok.Body, " RTP/AVP 0 8 101\r\n")
}

func TestPhoneIsPutOnHold(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	invite, ok := r.calls("201", offer("sendrecv"))
	for _, step := range []struct{ direction, mirrored, state string }{
		{"sendonly", "recvonly", "held"}, {"inactive", "inactive", "held"}, {"sendrecv", "sendrecv", "talking"},
	} {
		m := r.withSDP(r.inside(sip.INVITE, invite, ok), offer(step.direction))
		resp := r.ask(m)
		wantStatus(t, resp, 200)
		wantLine(t, resp.Body, "a="+step.mirrored+"\r\n")
		r.send(r.inside(sip.ACK, m, ok))
		w.shows("201", step.state+" sip:205@demo.test")
	}
	wantStatus(t, r.ask(r.withSDP(r.inside(sip.INVITE, invite, ok), []byte("v=0\r\n"))), 488)
	wantStatus(t, r.ask(r.inside(sip.OPTIONS, invite, ok)), 200)
	wantStatus(t, r.ask(r.inside(sip.BYE, invite, ok)), 200)
	w.shows("201")
}

func TestPhoneTakesOptions(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	resp := r.authorized(r.request(sip.OPTIONS, "sip:201@demo.test"))
	wantStatus(t, resp, 200)
	if !resp.Contains(sip.Allow, sip.REFER) {
		t.Errorf("Allow is %q, want REFER in it", resp.Get(sip.Allow))
	}
}

func TestPhoneRefusesWhatItDoesNotKnow(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	wantStatus(t, r.authorized(r.request(sip.INVITE, "sip:201@demo.test", "Require: 100rel")), 420)
	wantStatus(t, r.authorized(r.request(sip.REFER, "sip:201@demo.test", "Refer-To: <sip:202@demo.test>")), 403)
	w.shows("201")
}

// refers asks the phone in a dialog to call somebody, and gives the response.
func (r *raw) refers(invite, ok *sip.Message, referTo string) (refer, resp *sip.Message) {
	r.t.Helper()
	m := r.inside(sip.REFER, invite, ok)
	m.Set(sip.ReferTo, referTo)
	refer = r.challenged(m)
	return refer, r.ask(refer)
}

func TestReferToOfAnotherKind(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	invite, ok := r.calls("201", offer("sendrecv"))
	for _, referTo := range []string{"<tel:202>", "202", "<sip:202@demo.test;method=BYE>"} {
		_, resp := r.refers(invite, ok, referTo)
		wantStatus(t, resp, 400)
	}
}

// report is what a NOTIFY says.
func report(m *sip.Message) string {
	return m.Get(sip.Event) + " " + m.Get(sip.SubscriptionState) + " " + strings.TrimSpace(string(m.Body))
}

func TestReports(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	invite, ok := r.calls("201", offer("sendrecv"))
	refer, resp := r.refers(invite, ok, "<sip:202@demo.test;method=INVITE?Subject=x>")
	wantStatus(t, resp, 202)
	id, _, _ := strings.Cut(refer.Get(sip.CSeq), " ")
	var got []string
	for range 3 {
		m := r.takes(sip.NOTIFY)
		got = append(got, report(m))
		if !m.ContentTypeIs("message/sipfrag") {
			t.Errorf("Content-Type is %q", m.Get(sip.ContentType))
		}
		r.reply(m, 200)
	}
	want := []string{
		"refer;id=" + id + " active;expires=60 SIP/2.0 100 Trying",
		"refer;id=" + id + " active;expires=60 SIP/2.0 180 Ringing",
		"refer;id=" + id + " terminated;reason=noresource SIP/2.0 200 OK",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

// The subscription outlives the call in which it began (row T17).
func TestReportsGoOnBehindTheBye(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	invite, ok := r.calls("201", offer("sendrecv"))
	_, resp := r.refers(invite, ok, "<sip:203@demo.test>")
	wantStatus(t, resp, 202)
	first := r.takes(sip.NOTIFY)
	bye := r.inside(sip.BYE, invite, ok)
	r.send(bye)
	r.hears(200)
	r.reply(first, 200)
	last := r.takes(sip.NOTIFY)
	if !strings.Contains(report(last), "486 Busy Here") {
		t.Errorf("the last report is %q, want 486", report(last))
	}
	r.reply(last, 200)
	w.shows("201")
}

// A referrer that knows nothing of the subscription gets no more reports.
func TestReportsEndAt481(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	invite, ok := r.calls("201", offer("sendrecv"))
	r.refers(invite, ok, "<sip:202@demo.test>")
	r.reply(r.takes(sip.NOTIFY), 481)
	w.shows("202", "talking sip:201@demo.test")
	wantStatus(t, r.ask(r.inside(sip.BYE, invite, ok)), 200)
	r.silent()
}

func TestPhoneHangsUp(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil).here()
	r.calls("201", offer("sendrecv"))
	w.shows("201", "talking sip:205@demo.test")
	w.Phone("201").HangUp()
	r.reply(r.takes(sip.BYE), 200)
	w.shows("201")
}

// A re-INVITE that the phone refused leaves the call as it was.
func TestPhoneHangsUpBehindARefusedReinvite(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil).here()
	invite, ok := r.calls("201", offer("sendrecv"))
	w.shows("201", "talking sip:205@demo.test")
	again := r.withSDP(r.inside(sip.INVITE, invite, ok), []byte("v=0\r\n"))
	wantStatus(t, r.ask(again), 488)
	ack := again.Clone()
	ack.Method = sip.ACK
	ack.Set(sip.CSeq, strings.Replace(again.Get(sip.CSeq), "INVITE", "ACK", 1))
	r.send(ack)
	w.Phone("201").HangUp()
	r.reply(r.takes(sip.BYE), 200)
	w.shows("201")
}

// A callee must not send BYE before the ACK has come (RFC 3261 section 15).
func TestPhoneWaitsForTheAckToHangUp(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil).here()
	invite := r.challenged(r.withSDP(r.request(sip.INVITE, "sip:201@demo.test"), offer("sendrecv")))
	r.send(invite)
	ok := r.hears(200)
	w.Phone("201").HangUp()
	byes := func() int { return w.count(func(m sandbox.Traced) bool { return m.Msg.Method == sip.BYE }) }
	wantStatus(t, r.ask(r.request(sip.OPTIONS, "sip:demo.test")), 200)
	if byes() != 0 {
		t.Error("the phone sent BYE before the ACK")
	}
	r.send(r.inside(sip.ACK, invite, ok))
	r.reply(r.takes(sip.BYE), 200)
	w.shows("201")
}

func TestRingingCallEndsByBye(t *testing.T) {
	w := start(t, nil)
	r := newRaw(t, w.Proxy(), transport.UDP, "205", nil)
	invite := r.challenged(r.request(sip.INVITE, "sip:204@demo.test"))
	r.send(invite)
	ringing := r.hears(180)
	wantStatus(t, r.ask(r.withSDP(r.inside(sip.INVITE, invite, ringing), offer("sendrecv"))), 500)
	r.send(r.inside(sip.BYE, invite, ringing))
	for range 2 { // 200 to the BYE and 487 to the INVITE, in the order in which they arrive.
		r.wait("both ends", func(m *sip.Message) bool { return m.Status == 200 || m.Status == 487 })
	}
	w.shows("204")
}

func TestHangUpWhileItRings(t *testing.T) {
	w := start(t, nil)
	w.dial("201", "sip:204@demo.test")
	w.shows("204", "ringing sip:201@demo.test")
	w.Phone("204").HangUp()
	eventually(t, "201 is refused", func() bool { return w.saw("201 is refused by sip:204@demo.test: 603 Decline") })
	w.shows("201")
}

func TestDialIsBounded(t *testing.T) {
	w := start(t, nil)
	for range 8 {
		w.dial("201", "sip:204@demo.test")
	}
	if err := w.Phone("201").Dial("sip:204@demo.test"); err == nil {
		t.Error("a ninth call is placed")
	}
	if err := w.Phone("202").Dial("no uri"); err == nil {
		t.Error("a call to what is no URI is placed")
	}
}

// What the demonstration does with time.
func TestTimesOfThePhones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, func(o *sandbox.Options) {
			o.Net = loopback(n)
			for i := range o.Phones {
				o.Phones[i].After, o.Phones[i].Talk = 2*time.Second, 20*time.Second
			}
			o.Phones[2].Behaviour = sandbox.Declines
		})
		w.dial("201", "sip:202@demo.test")
		w.dial("204", "sip:203@demo.test")
		at := func(pause time.Duration, want ...string) {
			t.Helper()
			time.Sleep(pause)
			synctest.Wait()
			var got []string
			for _, user := range []string{"201", "202", "203", "204"} {
				for _, line := range w.display(user) {
					got = append(got, user+" "+line)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("displays (-want +got):\n%s", diff)
			}
		}
		at(time.Second, "201 ringing sip:202@demo.test", "202 ringing sip:201@demo.test",
			"203 ringing sip:204@demo.test", "204 ringing sip:203@demo.test")
		at(2*time.Second, "201 talking sip:202@demo.test", "202 talking sip:201@demo.test")
		at(18*time.Second, "201 talking sip:202@demo.test", "202 talking sip:201@demo.test")
		at(2 * time.Second)
		if !w.saw("204 is refused by sip:203@demo.test: 603 Decline") {
			t.Error("203 did not decline")
		}
	})
}

// Without an ACK the phone ends the call after 32 s (RFC 3261 section 13.3.1.4).
func TestNoAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, func(o *sandbox.Options) { o.Net = loopback(n) })
		r := newRaw(t, w.Proxy(), transport.UDP, "205", loopback(n))
		r.send(r.challenged(r.withSDP(r.request(sip.INVITE, "sip:201@demo.test"), offer("sendrecv"))))
		r.hears(200)
		time.Sleep(31 * time.Second)
		w.shows("201", "talking sip:205@demo.test")
		r.reply(r.takes(sip.BYE), 200)
		synctest.Wait()
		w.shows("201")
		if got := w.Proxy().Calls(); got != 0 {
			t.Errorf("the proxy still knows %d calls", got)
		}
	})
}

// A phone registers again by itself when the network was down for a while.
func TestPhoneRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		w := start(t, func(o *sandbox.Options) { o.Net = loopback(n) })
		n.SetHook(func(_, _ netip.AddrPort, _ []byte) []memnet.Delivery { return []memnet.Delivery{} })
		time.Sleep(10 * time.Minute)
		if got := w.Proxy().Registered("201"); got != nil {
			t.Errorf("registered while the network is down: %q", got)
		}
		n.SetHook(nil)
		time.Sleep(2 * time.Minute)
		if got := w.Proxy().Registered("201"); len(got) != 1 {
			t.Errorf("registered after the network is up again: %q", got)
		}
	})
}

func TestStartFails(t *testing.T) {
	for name, edit := range map[string]func(*sandbox.Options){
		"address":          func(o *sandbox.Options) { o.Listen = "nonsense" },
		"phone of nobody":  func(o *sandbox.Options) { o.Phones[0].User = "999" },
		"protocol unknown": func(o *sandbox.Options) { o.Phones[0].Protocol = transport.TLS },
	} {
		t.Run(name, func(t *testing.T) {
			o := sandbox.Demo()
			edit(&o)
			if s, err := sandbox.Start(t.Context(), o); err == nil {
				_ = s.Close()
				t.Error("started")
			}
		})
	}
}
