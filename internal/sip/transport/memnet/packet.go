package memnet

import (
	"container/heap"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// maxDatagram is what fits into a UDP datagram of IPv4, in bytes.
const maxDatagram = 65507

// packetConn is a UDP socket. Its inbox holds what has been sent to it and is not
// due or not read yet; the reader itself waits for the next to become due.
type packetConn struct {
	net          *Network
	shown, bound netip.AddrPort
	wake         chan struct{} // something was put into the inbox
	done         chan struct{}
	close        sync.Once

	mu    sync.Mutex
	inbox inbox
}

func newPacketConn(n *Network, shown, bound netip.AddrPort) *packetConn {
	return &packetConn{net: n, shown: shown, bound: bound, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// LocalAddr implements transport.PacketConn.
func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.shown) }

// Close implements transport.PacketConn.
func (c *packetConn) Close() error {
	err := net.ErrClosed
	c.close.Do(func() {
		c.net.mu.Lock()
		delete(c.net.sockets, c.bound)
		c.net.mu.Unlock()
		close(c.done)
		err = nil
	})
	return err
}

// WriteToUDPAddrPort implements transport.PacketConn. What is sent where nobody
// listens is lost.
func (c *packetConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	if len(b) > maxDatagram {
		return 0, failure("write", to, syscall.EMSGSIZE)
	}
	if to.Addr().Is4() != c.bound.Addr().Is4() {
		return 0, failure("write", to, syscall.ENETUNREACH)
	}
	c.net.tap(c.bound, to, b)
	c.net.route(c.bound, to, b)
	return len(b), nil
}

// route puts a datagram into the inbox of its receiver, as often as the hook wants.
func (n *Network) route(from, to netip.AddrPort, b []byte) {
	n.mu.Lock()
	hook := n.hook
	n.mu.Unlock()
	arrivals := []Delivery{{}}
	if hook != nil {
		if said := hook(from, to, b); said != nil {
			arrivals = said
		}
	}
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	receiver := n.sockets[to]
	if receiver == nil || n.gone[to.Addr()] || n.gone[from.Addr()] {
		return
	}
	for _, a := range arrivals {
		n.sent++
		receiver.put(datagram{at: now.Add(a.Delay), seq: n.sent, from: from, data: append([]byte(nil), b...)})
	}
}

func (c *packetConn) put(d datagram) {
	c.mu.Lock()
	heap.Push(&c.inbox, d)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ReadFromUDPAddrPort implements transport.PacketConn.
func (c *packetConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		select {
		case <-c.done:
			return 0, netip.AddrPort{}, net.ErrClosed
		default:
		}
		d, ok, wait := c.take()
		if ok {
			return copy(b, d.data), d.from, nil
		}
		c.wait(wait)
	}
}

// take gives the next datagram that is due, or how long to wait for it; 0 is for
// ever.
func (c *packetConn) take() (d datagram, ok bool, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.inbox) == 0 {
		return d, false, 0
	}
	if wait = time.Until(c.inbox[0].at); wait > 0 {
		return d, false, wait
	}
	return heap.Pop(&c.inbox).(datagram), true, 0
}

// wait waits for a change, and not longer than d if that is above 0.
func (c *packetConn) wait(d time.Duration) {
	var due <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-c.wake:
	case <-c.done:
	}
}

type datagram struct {
	at   time.Time
	seq  uint64
	from netip.AddrPort
	data []byte
}

// inbox is a heap by time and then order of sending.
type inbox []datagram

func (q inbox) Len() int { return len(q) }

func (q inbox) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}

func (q inbox) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *inbox) Push(x any) { *q = append(*q, x.(datagram)) }

// Pop implements heap.Interface.
func (q *inbox) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = datagram{}
	*q = (*q)[:last]
	if last == 0 {
		*q = nil // What a burst needed is not kept.
	}
	return d
}
