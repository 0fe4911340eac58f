package conformance

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// phone is a scripted peer: one UDP socket, no logic of its own. It reads with the
// project's parser, and writes text.
type phone struct {
	*lab
	conn transport.PacketConn
	addr netip.AddrPort
	in   chan received

	branches int
}

// received is a message as the phone got it.
type received struct {
	*sip.Message
	at   time.Duration // virtual time since the lab began
	from netip.AddrPort
	conn net.Conn // by which it came; nil for UDP
}

// sdpBody is an answer or offer that any phone could make.
const sdpBody = "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"

// phoneAt opens a peer on an address.
func (l *lab) phoneAt(addr netip.AddrPort) *phone {
	l.Helper()
	conn, err := l.net.Host(addr.Addr()).ListenPacket(context.Background(), addr.String())
	if err != nil {
		l.Fatal(err)
	}
	p := &phone{lab: l, conn: conn, addr: addr, in: make(chan received, 10_000)}
	go p.read()
	return p
}

// phone opens the peer that stands where the server's proxy is.
func (l *lab) phone() *phone {
	l.Helper()
	return l.phoneAt(phoneAddr)
}

func (p *phone) read() {
	buf := make([]byte, 65536)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			close(p.in)
			return
		}
		m, err := sip.Parse(buf[:n])
		if err != nil {
			p.Errorf("the server sent what cannot be read: %v\n%s", err, buf[:n])
			continue
		}
		p.in <- received{m, p.since(), from, nil}
	}
}

// close ends the phone: call it before a test ends (defer).
func (p *phone) close() {
	if err := p.conn.Close(); err != nil {
		p.Error(err)
	}
}

// next is the next message, within a virtual hour.
func (p *phone) next() received {
	p.Helper()
	select {
	case m, ok := <-p.in:
		if ok {
			return m
		}
	case <-time.After(time.Hour):
	}
	p.Fatal("the server sends nothing more")
	return received{}
}

// expect wants the next message to be a request of that method, or a response of
// that status ("487").
func (p *phone) expect(what string) received {
	p.Helper()
	m := p.next()
	if name(m) != what {
		p.Fatalf("got %s at %v, want %s:\n%s", name(m), m.at, what, m.Raw())
	}
	return m
}

// name is the method of a request, or the status of a response.
func name(m received) string {
	if m.IsResponse() {
		return strconv.Itoa(m.Status)
	}
	return m.Method
}

// quiet checks that nothing comes for d.
func (p *phone) quiet(d time.Duration) {
	p.Helper()
	select {
	case m := <-p.in:
		p.Fatalf("nothing was to come for %v, but at %v came\n%s", d, m.at, m.Raw())
	case <-time.After(d):
	}
	synctest.Wait()
}

// drain gives all that has come and not been read.
func (p *phone) drain() []received {
	synctest.Wait()
	var all []received
	for {
		select {
		case m := <-p.in:
			all = append(all, m)
		default:
			return all
		}
	}
}

// send sends text, with CRLF for every line end of a header.
func (p *phone) send(text string) {
	p.Helper()
	p.sendTo(p.server, text)
}

func (p *phone) sendTo(to netip.AddrPort, text string) {
	p.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		p.Fatal(err)
	}
}

// extra is what a response or request of the phone has besides the usual.
type extra struct {
	tag     string   // To tag of a response; "phone" when empty
	contact string   // "-" for none; the phone's own when empty
	fields  []string // whole header lines
	body    string   // with its media type in kind; application/sdp when that is empty
	kind    string
	reason  string
}

// reply answers req: Vias, From, Call-ID and CSeq copied, To with a tag.
func (p *phone) reply(req received, status int, e extra) {
	p.Helper()
	text := p.response(req, status, e)
	if req.conn == nil {
		p.sendTo(req.from, text)
		return
	}
	if _, err := req.conn.Write([]byte(text)); err != nil {
		p.Fatal(err)
	}
}

func (p *phone) response(req received, status int, e extra) string {
	reason := e.reason
	if reason == "" {
		reason = sip.ReasonPhrase(status)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, f := range req.Fields {
		if f.Header == sip.Via {
			b.WriteString("Via: " + f.Value + "\r\n")
		}
	}
	to := req.Get(sip.To)
	if status > 100 && !strings.Contains(to, ";tag=") {
		to += ";tag=" + orElse(e.tag, "phone")
	}
	b.WriteString("From: " + req.Get(sip.From) + "\r\nTo: " + to + "\r\nCall-ID: " + req.Get(sip.CallID) + "\r\nCSeq: " + req.Get(sip.CSeq) + "\r\n")
	p.rest(&b, e)
	return b.String()
}

// rest writes Contact, further fields and the body.
func (p *phone) rest(b *strings.Builder, e extra) {
	if c := orElse(e.contact, "<sip:201@"+p.addr.String()+">"); c != "-" {
		b.WriteString("Contact: " + c + "\r\n")
	}
	for _, f := range e.fields {
		b.WriteString(f + "\r\n")
	}
	if e.body != "" {
		b.WriteString("Content-Type: " + orElse(e.kind, "application/sdp") + "\r\n")
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", len(e.body), e.body)
}

// request makes a request of the phone inside the dialog of an INVITE that it got
// and answered with tag: From and To change sides.
func (p *phone) request(invite received, method string, seq int, e extra) string {
	p.branches++
	return p.requestBranch(invite, method, seq, fmt.Sprint("z9hG4bKphone", p.branches), e)
}

func (p *phone) requestBranch(invite received, method string, seq int, branch string, e extra) string {
	target := "sip:" + p.server.String()
	if c, ok := invite.Contact(); ok {
		target = c.URI.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\n", method, target, p.addr, branch)
	fmt.Fprintf(&b, "From: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		invite.Get(sip.To), orElse(e.tag, "phone"), invite.Get(sip.From), invite.Get(sip.CallID), seq, method)
	p.rest(&b, e)
	return b.String()
}

// notify makes a NOTIFY with a sipfrag.
func (p *phone) notify(invite received, seq int, state, frag string, fields ...string) string {
	if len(fields) == 0 {
		fields = []string{"Event: refer"}
	}
	if state != "" {
		fields = append(fields, "Subscription-State: "+state)
	}
	return p.request(invite, sip.NOTIFY, seq, extra{fields: fields, body: frag, kind: "message/sipfrag;version=2.0"})
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// answer plays a phone that rings and answers, up to the REFER that it gets: it
// returns the INVITE and the REFER.
func (p *phone) answer() (invite, refer received) {
	p.Helper()
	invite = p.expect(sip.INVITE)
	p.reply(invite, 180, extra{})
	p.reply(invite, 200, extra{body: sdpBody})
	p.expect(sip.ACK)
	return invite, p.expect(sip.REFER)
}

// accept answers up to an accepted REFER.
func (p *phone) accept() (invite, refer received) {
	p.Helper()
	invite, refer = p.answer()
	p.reply(refer, 202, extra{})
	return invite, refer
}

// bye expects the server's BYE and answers it.
func (p *phone) bye() received {
	p.Helper()
	m := p.expect(sip.BYE)
	p.reply(m, 200, extra{})
	return m
}

// ackFor makes the ACK of a final response above 2xx to the phone's re-INVITE: the
// branch is that of the re-INVITE, the To that of the response.
func (p *phone) ackFor(invite received, seq int, resp received) string {
	via, err := resp.Via()
	if err != nil {
		p.Fatal(err)
	}
	return p.requestBranch(invite, sip.ACK, seq, via.Branch(), extra{})
}

// drainFor gives all that comes within d.
func (p *phone) drainFor(d time.Duration) []received {
	time.Sleep(d)
	return p.drain()
}
