package load

import (
	"bytes"
	"context"
	"iter"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip/transport"
)

// wire is a network with one UDP socket, the server's, whose read loop runs the other
// end too: what it reads is what a script writes next, and what it sends lies there
// when the script goes on. So nothing is measured but the server, and the script.
type wire struct {
	next     func() ([]byte, bool)
	out      [][]byte
	finished chan struct{}
	done     chan struct{}
}

// LocalAddr implements transport.Net.
func (w *wire) LocalAddr(netip.Addr) (netip.Addr, error) { return serverAddr.Addr(), nil }

// ListenPacket implements transport.Net.
func (w *wire) ListenPacket(context.Context, string) (transport.PacketConn, error) {
	return wireSocket{w}, nil
}

// Listen implements transport.Net.
func (w *wire) Listen(context.Context, string) (net.Listener, error) { return nil, net.ErrClosed }

// Dial implements transport.Net.
func (w *wire) Dial(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
	return nil, net.ErrClosed
}

type wireSocket struct{ *wire }

// LocalAddr implements transport.PacketConn.
func (s wireSocket) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(serverAddr) }

// Close implements transport.PacketConn.
func (s wireSocket) Close() error {
	close(s.done)
	return nil
}

// ReadFromUDPAddrPort implements transport.PacketConn.
func (s wireSocket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if data, ok := s.next(); ok {
		return copy(b, data), phoneAddr, nil
	}
	close(s.finished)
	<-s.done
	return 0, phoneAddr, net.ErrClosed
}

// WriteToUDPAddrPort implements transport.PacketConn.
func (s wireSocket) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	s.out = append(s.out, b)
	return len(b), nil
}

// typist is a phone that writes its messages from the lines of the server's, so that
// it costs next to nothing.
type typist struct {
	*wire
	yield    func([]byte) bool
	buf      []byte
	branches int
}

// onWire runs a script against a server, and waits for its end.
func onWire(b *testing.B, script func(s *server, p *typist)) {
	b.Helper()
	w := &wire{finished: make(chan struct{}), done: make(chan struct{})}
	start := make(chan *server, 1)
	next, stop := iter.Pull(func(yield func([]byte) bool) {
		script(<-start, &typist{wire: w, yield: yield})
	})
	w.next = next
	s := serve(b, w, serverAddr.String(), mustURI(b, "sip:"+phoneAddr.String()))
	b.ReportAllocs()
	b.ResetTimer()
	start <- s
	<-w.finished
	b.StopTimer()
	s.close(b)
	stop()
}

// took gives the next message of the server.
func (p *typist) took() []byte {
	if len(p.out) == 0 {
		return nil
	}
	msg := p.out[0]
	p.out = p.out[:copy(p.out, p.out[1:])]
	return msg
}

const (
	phoneContact = "Contact: <sip:201@192.0.2.20:5060>\r\nRecord-Route: <sip:192.0.2.20;lr;ftag=1>\r\n"
	phoneSDP     = "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
)

// line gives the value of a field of a message of the server, which spells it so.
func line(msg []byte, name string) []byte {
	i := bytes.Index(msg, []byte("\r\n"+name+": "))
	rest := msg[i+len(name)+4:]
	return rest[:bytes.IndexByte(rest, '\r')]
}

func (p *typist) field(name string, value []byte) {
	p.buf = append(append(append(append(p.buf, name...), ": "...), value...), "\r\n"...)
}

// body ends a message.
func (p *typist) body(kind, body string) {
	if body != "" {
		p.field("Content-Type", []byte(kind))
	}
	p.buf = strconv.AppendInt(append(p.buf, "Content-Length: "...), int64(len(body)), 10)
	p.buf = append(append(p.buf, "\r\n\r\n"...), body...)
}

// send hands the message over, and returns when the server has done with it.
func (p *typist) send() { p.yield(p.buf) }

// answer sends a response to a request of the server.
func (p *typist) answer(req []byte, status, body string) {
	p.buf = append(append(p.buf[:0], "SIP/2.0 "+status...), "\r\n"...)
	for _, name := range [...]string{"Via", "From", "To", "Call-ID", "CSeq"} {
		p.field(name, line(req, name))
		if name == "To" && !bytes.Contains(line(req, name), []byte(";tag=")) {
			p.buf = append(p.buf[:len(p.buf)-2], ";tag=phone\r\n"...)
		}
	}
	p.buf = append(p.buf, phoneContact...)
	p.body("application/sdp", body)
	p.send()
}

// notify sends a NOTIFY inside the dialog of a REFER.
func (p *typist) notify(refer []byte, seq int, state, frag string) {
	p.branches++
	p.buf = append(p.buf[:0], "NOTIFY sip:callcontroller@192.0.2.10:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK"...)
	p.buf = strconv.AppendInt(p.buf, int64(p.branches), 10)
	p.buf = append(p.buf, "\r\nMax-Forwards: 70\r\n"...)
	p.field("From", line(refer, "To"))
	p.field("To", line(refer, "From"))
	p.field("Call-ID", line(refer, "Call-ID"))
	p.buf = strconv.AppendInt(append(p.buf, "CSeq: "...), int64(seq), 10)
	p.buf = append(p.buf, " NOTIFY\r\nUser-Agent: phone/1.0\r\nEvent: refer\r\nSubscription-State: "+state+"\r\n"+phoneContact...)
	p.body("message/sipfrag;version=2.0", frag)
	p.send()
}

// refer brings a call up to its REFER, and gives that.
func (p *typist) refer(s *server, id int, o *call.Order) (*engine.Running, []byte) {
	r := s.engine.Add(call.New(call.ID(strconv.Itoa(id)), o))
	r.Post(call.Start{})
	invite := p.took()
	p.answer(invite, "100 Trying", "")
	p.answer(invite, "180 Ringing", "")
	p.answer(invite, "200 OK", phoneSDP)
	p.took() // ACK
	return r, p.took()
}

func benchOrder() *call.Order {
	return &call.Order{
		Agent:  call.Party{URI: "sip:203@example.com", Display: "Agent", User: "203"},
		Caller: call.Party{URI: "sip:201@example.com"}, Callee: call.Party{URI: "sip:202@example.com"},
		ReferredBy: "sip:203@example.com",
		Limits:     &call.Limits{RingTimeout: 180 * time.Second, NotifyTimeout: 32 * time.Second, ReferLimit: 180 * time.Second, MaxRows: 4},
	}
}

// BenchmarkCall is a whole REFER call through the whole of the server but for the
// sockets: 8 messages in, 7 out.
func BenchmarkCall(b *testing.B) {
	o := benchOrder()
	o.MaxRows = 100
	onWire(b, func(s *server, p *typist) {
		for i := range b.N {
			r, refer := p.refer(s, i, o)
			p.answer(refer, "202 Accepted", "")
			p.notify(refer, 1, "active;expires=60", "SIP/2.0 100 Trying\r\n")
			p.took()
			p.notify(refer, 2, "active;expires=60", "SIP/2.0 180 Ringing\r\n")
			p.took()
			p.notify(refer, 3, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
			p.took()
			p.answer(p.took(), "200 OK", "")
			if c := r.Snapshot(); c.Outcome.Result != call.Completed || !c.Over() {
				b.Errorf("the call is %s, %+v", c.State, c.Outcome)
				return
			}
		}
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/15, "ns/message")
}

// BenchmarkNotify is one message that is parsed, taken through transaction, dialog,
// engine and call, and answered.
func BenchmarkNotify(b *testing.B) {
	const standing = 100
	onWire(b, func(s *server, p *typist) {
		var refers [standing][]byte
		for i := range refers {
			_, refers[i] = p.refer(s, i, benchOrder())
			p.answer(refers[i], "202 Accepted", "")
		}
		b.ResetTimer()
		for i := range b.N {
			p.notify(refers[i%standing], 1+i/standing, "active;expires=60", "SIP/2.0 180 Ringing\r\n")
			if got := p.took(); !bytes.HasPrefix(got, []byte("SIP/2.0 200 ")) {
				b.Errorf("NOTIFY %d was answered with\n%s", i, got)
				return
			}
		}
	})
}

// BenchmarkOptions is one message that is parsed and answered without state.
func BenchmarkOptions(b *testing.B) {
	msg := []byte("OPTIONS sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
		"From: <sip:201@example.com>;tag=a\r\nTo: <sip:192.0.2.10>\r\nCall-ID: a@192.0.2.20\r\nCSeq: 1 OPTIONS\r\n" +
		"User-Agent: phone/1.0\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n")
	onWire(b, func(_ *server, p *typist) {
		p.buf = msg
		for range b.N {
			p.send()
			if got := p.took(); !bytes.HasPrefix(got, []byte("SIP/2.0 200 ")) {
				b.Errorf("answered with\n%s", got)
				return
			}
		}
	})
}
