package dialog_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

const (
	peerHost  = "192.0.2.2" // the proxy and the phone behind it
	otherHost = "192.0.2.3" // where the phone moves
)

// scripted is a peer without a SIP stack: it answers the first INVITE with 200 and
// leaves the rest to answer, which gives nil for no response.
type scripted struct {
	answer func(req *sip.Message) *sip.Message
	first  *sip.Message

	mu    sync.Mutex
	heard []string       // method, CSeq number, body and, unless it is peerHost, the host
	got   []*sip.Message // the requests themselves
	from  transport.Source
	hosts map[string]*transport.Layer
}

// listen makes the peer hear at host.
func (p *scripted) listen(t *testing.T, n *memnet.Network, host string) {
	t.Helper()
	l := transport.New(transport.Config{Net: n.Host(netip.MustParseAddr(host))},
		func(m *sip.Message, from transport.Source) { p.take(host, m, from) })
	t.Cleanup(func() { _ = l.Close() })
	if _, err := l.Listen(t.Context(), transport.UDP, host+":5060"); err != nil {
		t.Fatal(err)
	}
	p.hosts[host] = l
}

func (p *scripted) take(host string, m *sip.Message, from transport.Source) {
	if m.IsResponse() {
		return
	}
	note := strings.TrimSpace(m.Method + " " + strings.Fields(m.Get(sip.CSeq))[0] + " " + string(m.Body))
	if host != peerHost {
		note += " at " + host
	}
	p.mu.Lock()
	p.heard, p.got, p.from = append(p.heard, note), append(p.got, m), from
	p.mu.Unlock()
	if p.first == nil {
		p.first = m
		p.reply(host, ok(m, peerHost))
		return
	}
	if resp := p.answer(m); resp != nil {
		p.reply(host, resp)
	}
}

func (p *scripted) reply(host string, resp *sip.Message) {
	_ = p.hosts[host].Reply(p.from, 5060, resp.Bytes())
}

// last is the last request with that method.
func (p *scripted) last(t *testing.T, method string) *sip.Message {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.got) - 1; i >= 0; i-- {
		if p.got[i].Method == method {
			return p.got[i]
		}
	}
	t.Fatalf("no %s came", method)
	return nil
}

// want checks what came since the ACK of the first INVITE.
func (p *scripted) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := cmp.Diff(append([]string{"INVITE 1", "ACK 1"}, want...), p.heard); d != "" {
		t.Errorf("peer heard (-want +got):\n%s", d)
	}
}

// again sends the 200 to the last INVITE.
func (p *scripted) again(t *testing.T) {
	t.Helper()
	p.reply(peerHost, ok(p.last(t, sip.INVITE), peerHost))
	synctest.Wait()
}

// ok is a 200 with a Contact at host.
func ok(req *sip.Message, host string) *sip.Message {
	resp := sip.NewResponse(req, 200, "", "b")
	resp.Add(sip.Contact, "<sip:b@"+host+">")
	return resp
}

// to answers the requests with that method by a status, the others not at all but
// for a BYE.
func to(method string, status int) func(*sip.Message) *sip.Message {
	return func(req *sip.Message) *sip.Message {
		switch req.Method {
		case method:
			resp := ok(req, peerHost)
			resp.Status, resp.Reason = status, sip.ReasonPhrase(status)
			return resp
		case sip.BYE:
			return sip.NewResponse(req, 200, "", "b")
		default:
			return nil
		}
	}
}

// results are what Done was told.
type results struct{ told []string }

func (r *results) done(resp *sip.Message, err error) {
	if err != nil {
		r.told = append(r.told, err.Error())
		return
	}
	r.told = append(r.told, resp.Reason)
}

func (r *results) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if d := cmp.Diff(want, r.told); d != "" {
		t.Errorf("Done was told (-want +got):\n%s", d)
	}
}

// inDialog runs a test with an acknowledged dialog between a user agent, with an
// account, and a scripted peer, which is its proxy.
func inDialog(t *testing.T, answer func(*sip.Message) *sip.Message, test func(*testing.T, *scripted, *end)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		p := &scripted{answer: answer, hosts: make(map[string]*transport.Layer)}
		p.listen(t, n, peerHost)
		p.listen(t, n, otherHost)
		e := newProxied(t, n)
		i := sip.NameAddr{URI: proxy}
		e.calls = dialog.Outgoing{Target: proxy, From: i, To: i, ContactUser: "test"}
		e.session = e.ua.Invite(dialog.NewName(), &digest.Credentials{Username: "u", Password: secret.New("p"), Realm: "r"}, e)
		synctest.Wait()
		e.session.Ack("", nil)
		synctest.Wait()
		test(t, p, e)
	})
}

// newProxied makes a user agent with an outbound proxy.
func newProxied(t *testing.T, n *memnet.Network) *end {
	t.Helper()
	e, wheel := new(end), timing.New()
	t.Cleanup(wheel.Close)
	tl := transport.New(transport.Config{Net: n.Host(netip.MustParseAddr("192.0.2.1"))},
		func(m *sip.Message, from transport.Source) { e.ua.Receive(m, from) })
	t.Cleanup(func() { _ = tl.Close() })
	e.ua = dialog.New(dialog.Config{
		Transport: tl, Resolver: &transport.Resolver{}, Wheel: wheel, Log: slog.New(slog.DiscardHandler), UserAgent: "test",
		Proxy: proxy, Allow: []string{sip.INVITE, sip.BYE},
	})
	if _, err := tl.Listen(t.Context(), transport.UDP, "192.0.2.1:5060"); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *end) reinvite(r *results) {
	e.session.Send(dialog.Sent{Method: sip.INVITE, ContentType: "application/sdp", Body: []byte("offer"), Done: r.done})
}

// TestReinvite: the 2xx waits for the Ack of the User, and its repetitions bring
// nothing before and the same ACK behind it (row U06).
func TestReinvite(t *testing.T) {
	inDialog(t, to(sip.INVITE, 200), func(t *testing.T, p *scripted, e *end) {
		var r results
		e.reinvite(&r)
		p.want(t, "INVITE 2 offer")
		invite := p.last(t, sip.INVITE)
		for _, h := range []sip.Header{sip.Contact, sip.Allow} {
			if got, want := invite.Get(h), p.first.Get(h); got != want {
				t.Errorf("%v: %q, want %q", h, got, want)
			}
		}
		if !invite.Has(sip.Supported) {
			t.Error("no Supported")
		}
		p.again(t)
		time.Sleep(5 * time.Second)
		p.want(t, "INVITE 2 offer")
		e.session.Ack("application/sdp", []byte("answer"))
		e.session.Ack("", nil) // None is owed any more.
		p.want(t, "INVITE 2 offer", "ACK 2 answer")
		ack := p.last(t, sip.ACK).String()
		p.again(t)
		p.want(t, "INVITE 2 offer", "ACK 2 answer", "ACK 2 answer")
		if d := cmp.Diff(ack, p.last(t, sip.ACK).String()); d != "" {
			t.Errorf("another ACK: %s", d)
		}
		if strings.Contains(ack, branch(t, invite)) {
			t.Error("the ACK has the branch of the INVITE")
		}
		r.want(t, "OK")
		e.session.Send(dialog.Sent{Method: sip.BYE})
		p.want(t, "INVITE 2 offer", "ACK 2 answer", "ACK 2 answer", "BYE 3")
	})
}

func branch(t *testing.T, m *sip.Message) string {
	t.Helper()
	via, err := m.Via()
	if err != nil {
		t.Fatal(err)
	}
	return via.Branch()
}

// TestReinviteRefused: the transaction acknowledges, the target stays, and the Ack of
// the User does nothing. A 2xx that comes all the same is acknowledged unasked.
func TestReinviteRefused(t *testing.T) {
	refuse := func(req *sip.Message) *sip.Message {
		if req.Method != sip.INVITE {
			return nil
		}
		resp := sip.NewResponse(req, 491, "", "b")
		resp.Add(sip.Contact, "<sip:b@"+otherHost+">")
		return resp
	}
	inDialog(t, refuse, func(t *testing.T, p *scripted, e *end) {
		var r results
		e.reinvite(&r)
		p.want(t, "INVITE 2 offer", "ACK 2")
		if invite, ack := p.last(t, sip.INVITE), p.last(t, sip.ACK); branch(t, invite) != branch(t, ack) {
			t.Error("that is no ACK of a refusal")
		}
		e.session.Ack("", nil)
		p.again(t)
		p.want(t, "INVITE 2 offer", "ACK 2", "ACK 2")
		r.want(t, "Request Pending")
		e.session.Send(dialog.Sent{Method: sip.BYE})
		p.want(t, "INVITE 2 offer", "ACK 2", "ACK 2", "BYE 3")
	})
}

// TestReinviteChallenged: the challenge is answered with the next number, which the
// ACK has too, with the same credentials (section 22.1).
func TestReinviteChallenged(t *testing.T) {
	const proof = "Proxy-Authorization"
	challenge := func(req *sip.Message) *sip.Message {
		switch {
		case req.Method != sip.INVITE:
			return nil
		case req.GetOther(proof) == "":
			return challengeOf(req)
		default:
			return ok(req, peerHost)
		}
	}
	inDialog(t, challenge, func(t *testing.T, p *scripted, e *end) {
		var r results
		e.reinvite(&r)
		p.want(t, "INVITE 2 offer", "ACK 2", "INVITE 3 offer")
		r.want(t, "OK")
		e.session.Ack("", nil)
		p.want(t, "INVITE 2 offer", "ACK 2", "INVITE 3 offer", "ACK 3")
		if got, want := p.last(t, sip.ACK).GetOther(proof), p.last(t, sip.INVITE).GetOther(proof); got == "" || got != want {
			t.Errorf("ACK with %q, INVITE with %q", got, want)
		}
	})
}

// TestTargetRefresh: the Contact of the 2xx to a re-INVITE or UPDATE is the new remote
// target, for the ACK already (section 12.2.1.2).
func TestTargetRefresh(t *testing.T) {
	move := func(req *sip.Message) *sip.Message {
		if req.Method == sip.ACK {
			return nil
		}
		return ok(req, otherHost)
	}
	for method, want := range map[string][]string{
		sip.INVITE: {"INVITE 2", "ACK 2 at " + otherHost, "BYE 3 at " + otherHost},
		sip.UPDATE: {"UPDATE 2", "BYE 3 at " + otherHost},
	} {
		inDialog(t, move, func(t *testing.T, p *scripted, e *end) {
			var r results
			e.session.Send(dialog.Sent{Method: method, Done: r.done})
			r.want(t, "OK")
			e.session.Ack("", nil)
			synctest.Wait()
			e.session.Send(dialog.Sent{Method: sip.BYE})
			p.want(t, want...)
			if got, want := p.last(t, sip.BYE).RequestURI, "sip:b@"+otherHost; got != want {
				t.Errorf("BYE to %s, want %s", got, want)
			}
		})
	}
}

// TestByeCrossesReinvite: the 2xx that comes behind the BYE is acknowledged unasked
// (row F17).
func TestByeCrossesReinvite(t *testing.T) {
	inDialog(t, to(sip.BYE, 200), func(t *testing.T, p *scripted, e *end) {
		var r results
		e.reinvite(&r)
		synctest.Wait()
		p.reply(peerHost, sip.NewResponse(p.last(t, sip.INVITE), 100, "", "b"))
		synctest.Wait()
		e.session.Send(dialog.Sent{Method: sip.BYE})
		e.session.Release()
		r.want(t)
		p.again(t)
		p.want(t, "INVITE 2 offer", "BYE 3", "ACK 2")
		e.session.Ack("", nil)
		p.again(t)
		p.want(t, "INVITE 2 offer", "BYE 3", "ACK 2", "ACK 2")
		r.want(t, "OK")
	})
}

// TestByeBeforeAck: so is the 2xx that the User has not acknowledged when the BYE
// goes, once it is repeated.
func TestByeBeforeAck(t *testing.T) {
	inDialog(t, to(sip.INVITE, 200), func(t *testing.T, p *scripted, e *end) {
		var r results
		e.reinvite(&r)
		r.want(t, "OK")
		e.session.Send(dialog.Sent{Method: sip.BYE})
		p.again(t)
		p.want(t, "INVITE 2 offer", "BYE 3", "ACK 2")
		r.want(t, "OK")
	})
}

// TestAckRepeated: an ACK is told once, however often it comes.
func TestAckRepeated(t *testing.T) {
	inDialog(t, func(*sip.Message) *sip.Message { return nil }, func(t *testing.T, p *scripted, e *end) {
		send := func(method, body string) {
			m := sip.NewRequest(method, "sip:test@192.0.2.1")
			m.Add(sip.Via, "SIP/2.0/UDP "+peerHost+";branch="+sip.NewBranch())
			m.Add(sip.From, p.first.Get(sip.To)+";tag=b")
			m.Add(sip.To, p.first.Get(sip.From))
			m.Add(sip.CallID, p.first.Get(sip.CallID))
			m.Add(sip.CSeq, "7 "+method)
			m.Add(sip.MaxForwards, "70")
			m.Add(sip.Contact, "<sip:b@"+peerHost+">")
			if m.Body = []byte(body); body != "" {
				m.Add(sip.ContentType, "application/sdp")
			}
			_ = p.hosts[peerHost].Send(p.from.Target, m.Bytes(), nil)
			synctest.Wait()
		}
		send(sip.INVITE, "")
		send(sip.ACK, "answer")
		send(sip.ACK, "answer")
		wantHeard(t, "we", e, "OK", sip.INVITE, "ACK answer")
	})
}
