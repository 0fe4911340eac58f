package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Phones are the two addresses at which all phones are: one for those who call, one for
// those who are called. Use Open.
type Phones struct {
	sockets   [2]*net.UDPConn
	addresses [2]netip.AddrPort
	epoch     string // in each branch: a server may remember those of an earlier process
	run       atomic.Pointer[run]
	next      int // the number of the next call
	done      chan struct{}

	received, sent, repeatsOut atomic.Int64

	mu      sync.Mutex
	packets []*packet
}

const (
	buffer     = 8 << 20 // bytes of a socket
	firstWait  = 500 * time.Millisecond
	longest    = 4 * time.Second
	resendTick = 50 * time.Millisecond
)

// Open listens for SIP at two UDP addresses, such as 127.0.0.2:7001.
func Open(ctx context.Context, caller, callee string) (*Phones, error) {
	p := &Phones{epoch: strconv.FormatInt(time.Now().UnixNano(), 36), done: make(chan struct{})}
	for i, address := range []string{caller, callee} {
		var listen net.ListenConfig
		conn, err := listen.ListenPacket(ctx, "udp", address)
		if err != nil {
			return nil, fmt.Errorf("phones: %w", errors.Join(err, p.Close()))
		}
		p.sockets[i] = conn.(*net.UDPConn) //nolint:forcetypeassert // it is one of "udp"
		p.addresses[i] = conn.LocalAddr().(*net.UDPAddr).AddrPort()
		if err := enlarge(p.sockets[i]); err != nil {
			return nil, fmt.Errorf("phones: %w", errors.Join(err, p.Close()))
		}
	}
	for s, socket := range p.sockets {
		go p.receive(side(s), socket)
	}
	go p.resend()
	return p, nil
}

// enlarge makes a socket's buffer large enough for what a server sends at once; as root
// it may be larger than what the system allows others.
func enlarge(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var force error
	err = raw.Control(func(fd uintptr) {
		force = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, buffer)
	})
	if err != nil || force == nil {
		return err
	}
	return c.SetReadBuffer(buffer)
}

// Close ends both phones.
func (p *Phones) Close() error {
	close(p.done)
	var all []error
	for _, s := range p.sockets {
		if s != nil {
			all = append(all, s.Close())
		}
	}
	return errors.Join(all...)
}

// Addresses are those of the calling and the called phones.
func (p *Phones) Addresses() [2]netip.AddrPort { return p.addresses }

func (p *Phones) address(s side) string { return p.addresses[s].String() }

// party is a phone of a call, as user@host.
func (p *Phones) party(s side, number int) string {
	return string(s.letter()) + strconv.Itoa(number) + "@" + p.address(s)
}

// uri is what a phone names as its Contact.
func (p *Phones) uri(s side, number int) string { return "sip:" + p.party(s, number) }

// branch tells whose request it is.
func (p *Phones) branch(s side, number, cseq int) string {
	return "z9hG4bK" + p.epoch + "." + string(s.letter()) + strconv.Itoa(number) + "." + strconv.Itoa(cseq)
}

// media is the port that a phone names in SDP.
func media(s side, number int) int { return 10000 + number%12000*4 + 2*int(s) }

func (p *Phones) sdp(s side, number int) string {
	host := p.addresses[s].Addr().String()
	return "v=0\r\no=- " + strconv.Itoa(number+1) + " 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host +
		"\r\nt=0 0\r\nm=audio " + strconv.Itoa(media(s, number)) + " RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
}

func (p *Phones) hasMedia(body []byte, s side, number int) bool {
	_, line, ok := bytes.Cut(body, []byte("m=audio "))
	if !ok {
		return false
	}
	port, _, _ := bytes.Cut(line, []byte(" "))
	n, err := strconv.Atoi(string(port))
	return err == nil && n == media(s, number)
}

func (p *Phones) receive(s side, socket *net.UDPConn) {
	room, m := make([]byte, 65536), &message{}
	for {
		n, from, err := socket.ReadFromUDPAddrPort(room)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < len("SIP/2.0") {
			continue
		}
		p.received.Add(1)
		m.parse(room[:n])
		p.handle(s, m, from)
	}
}

func (p *Phones) handle(s side, m *message, from netip.AddrPort) {
	user := between(m.uri, "sip:", "@")
	if m.code > 0 {
		_, rest, _ := bytes.Cut(m.branch(), []byte("."))
		user, _, _ = bytes.Cut(rest, []byte("."))
	}
	c := p.find(s, user)
	if c == nil {
		if m.code == 0 && string(m.method) != "ACK" {
			p.send(s, from, m.appendResponse(nil, "481 Call/Transaction Does Not Exist", "none", "", ""))
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := p.run.Load(); m.code > 0 {
		r.response(c, s, m)
	} else {
		r.request(c, s, m, from)
	}
}

// find is the call of a user such as a17; nil if it is not of this run.
func (p *Phones) find(s side, user []byte) *call {
	r := p.run.Load()
	number, ok := strings.CutPrefix(string(user), string(s.letter()))
	n, err := strconv.Atoi(number)
	if r == nil || !ok || err != nil || n < r.first || n >= r.first+len(r.calls) {
		return nil
	}
	return &r.calls[n-r.first]
}

// send sends a datagram; what is lost comes again.
func (p *Phones) send(s side, to netip.AddrPort, b []byte) {
	p.sent.Add(1)
	_, _ = p.sockets[s].WriteToUDPAddrPort(b, to)
}

// sendReliably sends a packet until it is settled, or for some seconds.
func (p *Phones) sendReliably(k *packet) {
	k.wait, k.next = firstWait, time.Now().Add(firstWait)
	p.mu.Lock()
	p.packets = append(p.packets, k)
	p.mu.Unlock()
	p.send(k.side, k.to, k.data)
}

func (p *Phones) resend() {
	tick := time.NewTicker(resendTick)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, k := range p.due(now) {
				p.repeatsOut.Add(1)
				p.send(k.side, k.to, k.data)
			}
		case <-p.done:
			return
		}
	}
}

// due gives the packets that are to be sent again, and forgets those that are not.
func (p *Phones) due(now time.Time) (due []*packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := p.packets[:0]
	for _, k := range p.packets {
		if k.settled.Load() || k.wait > longest {
			continue
		}
		keep = append(keep, k)
		if now.After(k.next) {
			k.wait *= 2
			k.next = now.Add(k.wait)
			due = append(due, k)
		}
	}
	clear(p.packets[len(keep):])
	p.packets = keep
	return due
}
