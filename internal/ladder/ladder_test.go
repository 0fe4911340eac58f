package ladder_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/api"
	"callcontroller/internal/ladder"
	"callcontroller/internal/sip"
)

var peer = ladder.Peer{Protocol: "UDP", Addr: netip.MustParseAddrPort("192.0.2.5:5060")}

// message makes one with a Call-ID, a number and so many bytes of body.
func message(sipCallID string, n, body int) *sip.Message {
	m := sip.NewRequest(sip.INFO, fmt.Sprintf("sip:%d@example.com", n))
	m.Add(sip.Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
	m.Add(sip.From, "<sip:201@example.com>;tag=1")
	m.Add(sip.To, "<sip:202@example.com>;tag=2")
	m.Add(sip.CallID, sipCallID)
	m.Add(sip.ContentType, "application/sdp")
	m.Body = bytes.Repeat([]byte("x"), body)
	return m
}

func parsed(tb testing.TB, m *sip.Message) *sip.Message {
	tb.Helper()
	p, err := sip.Parse(m.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestMessagesOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().UTC()
		l := ladder.New(1 << 20)
		l.Leg("A", "caller", "a-1")
		l.Leg("A", "callee", "a-2")
		l.Leg("B", "caller", "b-1")
		l.Sent(peer, message("a-1", 1, 0).Bytes())
		time.Sleep(time.Second)
		l.Received(peer, parsed(t, message("a-1", 2, 0)))
		l.Sent(peer, message("b-1", 3, 0).Bytes())
		l.Sent(ladder.Peer{Protocol: "TCP", Addr: netip.MustParseAddrPort("[2001:db8::1]:5060")}, message("a-2", 4, 3).Bytes())
		l.Leg("B", "target", "a-2") // A Call-ID that is known stays what it is.
		want := []api.Message{
			{Time: begin, Direction: "sent", Leg: "caller", Peer: "udp 192.0.2.5:5060", StartLine: "INFO sip:1@example.com SIP/2.0", Text: message("a-1", 1, 0).String()},
			{Time: begin.Add(time.Second), Direction: "received", Leg: "caller", Peer: "udp 192.0.2.5:5060", StartLine: "INFO sip:2@example.com SIP/2.0", Text: message("a-1", 2, 0).String()},
			{Time: begin.Add(time.Second), Direction: "sent", Leg: "callee", Peer: "tcp [2001:db8::1]:5060", StartLine: "INFO sip:4@example.com SIP/2.0", Text: message("a-2", 4, 3).String()},
		}
		got := l.Messages("A")
		if len(got) != len(want) {
			t.Fatalf("%+v", got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%+v\nwant\n%+v", got[i], want[i])
			}
		}
		if list := l.Messages("C"); list == nil || len(list) != 0 {
			t.Errorf("a call without messages has %v", list)
		}
	})
}

// TestStrangersAreNotKept: whatever comes in, what belongs to a call stays.
func TestStrangersAreNotKept(t *testing.T) {
	l := ladder.New(0)
	l.Leg("A", "caller", "a-1")
	l.Sent(peer, message("a-1", 1, 0).Bytes())
	for n := range 1000 {
		l.Received(peer, parsed(t, message(fmt.Sprint("stranger-", n), n, 1000)))
		l.Sent(peer, message(fmt.Sprint("stranger-", n), n, 1000).Bytes())
	}
	l.Sent(peer, []byte("no SIP"))
	if got := l.Messages("A"); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}

// TestLawsOfTheRing: a ladder has the newest messages of all that it was given, in order,
// and of those at least what half of its memory holds.
func TestLawsOfTheRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := ladder.New(rapid.IntRange(0, 1<<20).Draw(t, "memory"))
		var all []string // of all calls
		size := 0
		given := map[string][]string{}
		calls := rapid.IntRange(1, 4).Draw(t, "calls")
		largest := rapid.SampledFrom([]int{0, 1000, 65_000}).Draw(t, "largest")
		for n := range rapid.IntRange(0, 60).Draw(t, "steps") {
			call := fmt.Sprint("call", rapid.IntRange(1, calls).Draw(t, "call"))
			l.Leg(call, "caller", "of-"+call)
			m := message("of-"+call, n, rapid.IntRange(0, largest).Draw(t, "body"))
			m.Remove(sip.ContentType) // so that nobody has to look at the body
			for range rapid.IntRange(1, 10).Draw(t, "messages") {
				l.Sent(peer, m.Bytes())
				all = append(all, call)
				given[call] = append(given[call], fmt.Sprintf("INFO sip:%d@example.com SIP/2.0", n))
				size += len(m.Bytes())
			}
		}
		kept := map[string]int{}
		for call, want := range given {
			got := l.Messages(call)
			kept[call] = len(got)
			for i, m := range got {
				if m.StartLine != want[len(want)-len(got)+i] {
					t.Fatalf("message %d of the last %d of %s is %s", i, len(got), call, m.StartLine)
				}
			}
		}
		for i := range all { // From the newest one on, until one is missing.
			call := all[len(all)-1-i]
			if kept[call] == 0 {
				break
			}
			kept[call]--
		}
		for call, n := range kept {
			if n != 0 {
				t.Fatalf("%s has messages that are older than one that is missing", call)
			}
		}
		if len(all) > 0 && len(l.Messages(all[len(all)-1])) == 0 {
			t.Fatal("the last message is missing")
		}
		if size+len(all)*ladder.RowSize < ladder.SegmentSize/2 && len(all) < ladder.SegmentRows/2 && ladder.Rows(l) != len(all) {
			t.Fatal("something is missing though there was room")
		}
		if ladder.Memory(l) > max(1<<20, 2*ladder.SegmentSize) {
			t.Fatalf("it takes %d bytes", ladder.Memory(l))
		}
		if n := ladder.Legs(l); n > calls {
			t.Fatalf("%d legs are known", n)
		}
	})
}

// TestLegsAreForgotten with the last message of theirs, and not before.
func TestLegsAreForgotten(t *testing.T) {
	l := ladder.New(0)
	l.Leg("old", "caller", "old")
	for n := range 10_000 {
		id := fmt.Sprint("leg-", n)
		l.Leg(id, "caller", id)
		l.Sent(peer, message(id, n, 0).Bytes())
		if n%50 == 0 {
			l.Sent(peer, message("old", n, 0).Bytes())
		}
	}
	if n := ladder.Legs(l); n > 2*ladder.SegmentRows {
		t.Errorf("%d legs are known", n)
	}
	if len(l.Messages("old")) == 0 {
		t.Error("a leg that goes on is forgotten")
	}
	if len(l.Messages("leg-1")) != 0 || len(l.Messages("leg-9999")) != 1 {
		t.Error("the wrong ones are kept")
	}
}

func TestManyAtOnce(t *testing.T) {
	l := ladder.New(0)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			id := fmt.Sprint("leg-", i)
			l.Leg(id, "caller", id)
			m := parsed(t, message(id, i, 500))
			for n := range 200 {
				l.Sent(peer, message(id, i, 500).Bytes())
				l.Received(peer, m)
				if n%20 != 0 {
					continue
				}
				for _, got := range l.Messages(id) {
					if !strings.Contains(got.Text, id) {
						t.Errorf("a message of another call: %s", got.Text)
					}
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSent is what a message costs that is sent for a call, in a ladder that is full.
func BenchmarkSent(b *testing.B) {
	l, text := full(b), message("busy", 1, 300).Bytes()
	for b.Loop() {
		l.Sent(peer, text)
	}
}

// BenchmarkReceived is the same for one that has come, and of a stranger.
func BenchmarkReceived(b *testing.B) {
	for _, id := range []string{"busy", "stranger"} {
		b.Run(id, func(b *testing.B) {
			l, m := full(b), parsed(b, message(id, 1, 300))
			for b.Loop() {
				l.Received(peer, m)
			}
		})
	}
}

func full(b *testing.B) *ladder.Ladder {
	b.Helper()
	b.ReportAllocs()
	l := ladder.New(8 << 20)
	l.Leg("busy", "caller", "busy")
	for n := range 20_000 {
		l.Sent(peer, message("busy", n, 300).Bytes())
	}
	return l
}

func TestPrint(t *testing.T) {
	l := ladder.New(0)
	l.Leg("A", "caller", "a-1")
	l.Sent(peer, message("a-1", 1, 2).Bytes())
	list := l.Messages("A")
	list[0].Time = time.Date(2026, 3, 1, 9, 30, 0, 302_900_000, time.UTC)
	list = append(list, list[0])
	list[1].Direction, list[1].Leg = "received", ""
	var lines, whole bytes.Buffer
	if err := ladder.Print(&lines, list, time.UTC); err != nil {
		t.Fatal(err)
	}
	if err := ladder.PrintWhole(&whole, list[:1], time.FixedZone("", 3600)); err != nil {
		t.Fatal(err)
	}
	const wantLines = "TIME          LEG         PEER                MESSAGE\n" +
		"09:30:00.302  caller  ->  udp 192.0.2.5:5060  INFO sip:1@example.com SIP/2.0\n" +
		"09:30:00.302          <-  udp 192.0.2.5:5060  INFO sip:1@example.com SIP/2.0\n"
	const wantWhole = "10:30:00.302  caller  ->  udp 192.0.2.5:5060\n\n  INFO sip:1@example.com SIP/2.0\n  Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n" +
		"  From: <sip:201@example.com>;tag=1\n  To: <sip:202@example.com>;tag=2\n  Call-ID: a-1\n  Content-Type: application/sdp\n  Content-Length: 2\n\n  xx\n\n"
	if lines.String() != wantLines || whole.String() != wantWhole {
		t.Errorf("%s\n%s", lines.String(), whole.String())
	}
}

// parse reads a message; false for what is none.
func parse(text string) (*sip.Message, bool) {
	m, err := sip.Parse([]byte(text))
	return m, err == nil
}
