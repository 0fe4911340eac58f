package transaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5060")
	there = netip.MustParseAddrPort("192.0.2.2:5060")
)

// node is one host with a transaction layer.
type node struct {
	*Layer
	transport *transport.Layer
	wheel     *timing.Wheel
	handler   recorder
}

// recorder is a Handler that keeps what it gets, and may act on it.
type recorder struct {
	onRequest func(*Incoming)
	mu        sync.Mutex
	requests  []*sip.Message
	acks      int
	orphans   int
}

func (r *recorder) Request(in *Incoming) {
	r.mu.Lock()
	r.requests = append(r.requests, in.Msg)
	r.mu.Unlock()
	if r.onRequest != nil {
		r.onRequest(in)
	}
}

// taken gives the requests that came.
func (r *recorder) taken() []*sip.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*sip.Message(nil), r.requests...)
}

func (r *recorder) Ack(*sip.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acks++
}

func (r *recorder) Orphan(*sip.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orphans++
}

func newNode(n *memnet.Network, at netip.AddrPort) (*node, error) {
	v := &node{wheel: timing.New()}
	v.transport = transport.New(transport.Config{Net: n.Host(at.Addr())},
		func(m *sip.Message, from transport.Source) { v.Receive(m, from) })
	v.Layer = New(v.transport, v.wheel, &v.handler, slog.New(slog.DiscardHandler))
	for _, p := range []transport.Protocol{transport.UDP, transport.TCP} {
		if _, err := v.transport.Listen(context.Background(), p, at.String()); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *node) close() {
	_ = v.transport.Close()
	v.wheel.Close()
}

// left tells what a node still holds; nil is nothing.
func (v *node) left() error {
	if s := v.Stats(); s.Clients+s.Servers+v.wheel.Running() != 0 {
		return fmt.Errorf("left: %d clients, %d servers, %d timers", s.Clients, s.Servers, v.wheel.Running())
	}
	return nil
}

// bubble runs f in virtual time, and afterwards waits until all timers are over.
func bubble(t *testing.T, f func(n *memnet.Network, a, b *node) error) (fault error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{})
		a, err := newNode(n, here)
		b, err2 := newNode(n, there)
		if fault = errors.Join(err, err2); fault != nil {
			return
		}
		defer a.close()
		defer b.close()
		if fault = f(n, a, b); fault != nil {
			return
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		fault = errors.Join(a.left(), b.left())
	})
	return fault
}

// outcomes is a User that writes down what it is told.
type outcomes struct {
	begin time.Time
	mu    sync.Mutex
	list  []outcome
}

type outcome struct {
	status int
	tag    string
	err    error
	at     time.Duration
}

func (o outcome) String() string {
	if o.err != nil {
		return fmt.Sprintf("%v@%v", o.err, o.at)
	}
	return fmt.Sprintf("%d%s@%v", o.status, o.tag, o.at)
}

func (u *outcomes) add(o outcome) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o.at = time.Since(u.begin)
	u.list = append(u.list, o)
}

func (u *outcomes) Response(_ *Client, resp *sip.Message) {
	u.add(outcome{status: resp.Status, tag: resp.ToTag()})
}

func (u *outcomes) Failed(_ *Client, err error) { u.add(outcome{err: err}) }

func (u *outcomes) all() []outcome {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]outcome(nil), u.list...)
}

// request makes a request that can be sent by Layer.Request.
func request(method string) *sip.Message {
	m := sip.NewRequest(method, "sip:b@"+there.String())
	m.Add(sip.MaxForwards, "70")
	m.Add(sip.From, "<sip:a@example.com>;tag=a")
	m.Add(sip.To, "<sip:b@example.com>")
	m.Add(sip.CallID, "c1")
	m.Add(sip.CSeq, "1 "+method)
	return m
}

func udp(a netip.AddrPort) []transport.Target {
	return []transport.Target{{Protocol: transport.UDP, Addr: a}}
}

func tcp(a netip.AddrPort) []transport.Target {
	return []transport.Target{{Protocol: transport.TCP, Addr: a}}
}

// kind is the method of a request, or the status of a response as text.
func kind(data []byte) string {
	m, err := sip.Parse(data)
	switch {
	case err != nil:
		return err.Error()
	case m.IsRequest():
		return m.Method
	default:
		return strconv.Itoa(m.Status)
	}
}

// moments are when something happened.
type moments struct {
	mu sync.Mutex
	at []time.Duration
}

func (m *moments) all() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]time.Duration(nil), m.at...)
}

// watch notes when messages of one kind leave a host.
func watch(n *memnet.Network, from netip.AddrPort, what string) *moments {
	begin, m := time.Now(), &moments{}
	n.Tap(func(now time.Time, src, _ netip.AddrPort, data []byte) {
		if src.Addr() == from.Addr() && kind(data) == what {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.at = append(m.at, now.Sub(begin))
		}
	})
	return m
}
