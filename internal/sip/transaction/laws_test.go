package transaction

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

const ms = time.Millisecond

// faultyNetwork decides for each datagram, by a drawn list, whether it is lost,
// late or doubled, and notes when finals arrive at here.
type faultyNetwork struct {
	fates [][]memnet.Delivery
	begin time.Time
	mu    sync.Mutex
	used  int
	final []time.Duration
}

func (f *faultyNetwork) hook(_, to netip.AddrPort, data []byte) []memnet.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	fate := []memnet.Delivery{{}}
	if f.used < len(f.fates) {
		fate = f.fates[f.used]
		f.used++
	}
	if to == here && strings.HasPrefix(string(data), "SIP/2.0 2") {
		for _, d := range fate {
			f.final = append(f.final, time.Since(f.begin)+d.Delay)
		}
	}
	return fate
}

// fates draws what happens to the first datagrams. No copy is so late that it could
// meet a server that has forgotten its transaction.
func fates(t *rapid.T) [][]memnet.Delivery {
	delay := rapid.SampledFrom([]time.Duration{0, 0, 1 * ms, 40 * ms, 400 * ms})
	fate := rapid.Custom(func(t *rapid.T) []memnet.Delivery {
		d := []memnet.Delivery{}
		for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "copies") {
			d = append(d, memnet.Delivery{Delay: delay.Draw(t, "delay")})
		}
		return d
	})
	lost := rapid.IntRange(0, 30).Draw(t, "lost at first")
	all := make([][]memnet.Delivery, 0, lost+20)
	for range lost {
		all = append(all, []memnet.Delivery{})
	}
	return append(all, rapid.SliceOfN(fate, 0, 20).Draw(t, "fates")...)
}

// TestNonInviteLaws: whatever the network loses, doubles and delays, the user of a
// request hears of its final response once, at the moment when the first copy of
// it comes, or of a time-out after 32 s; the server's user gets the request once;
// and nothing is left.
func TestNonInviteLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := &faultyNetwork{fates: fates(rt)}
		trying := rapid.Bool().Draw(rt, "trying")
		think := time.Duration(rapid.IntRange(0, 3000).Draw(rt, "think")) * ms
		if fault := bubble(t, func(n *memnet.Network, a, b *node) error {
			return f.play(n, a, b, trying, think)
		}); fault != nil {
			rt.Fatal(fault)
		}
	})
}

func (f *faultyNetwork) play(n *memnet.Network, a, b *node, trying bool, think time.Duration) error {
	f.begin = time.Now()
	n.SetHook(f.hook)
	b.handler.onRequest = func(in *Incoming) {
		s := in.Accept(ServerEvents{})
		if trying {
			s.Respond(sip.NewResponse(in.Msg, 100, "", ""))
		}
		time.AfterFunc(think, func() { s.Respond(sip.NewResponse(in.Msg, 200, "", "b")) })
	}
	u := &outcomes{begin: f.begin}
	if _, err := a.Request(request(sip.OPTIONS), udp(there), u); err != nil {
		return err
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	if got := len(b.handler.taken()); got > 1 {
		return fmt.Errorf("the request was taken %d times", got)
	}
	return f.verdict(u.all())
}

func (f *faultyNetwork) verdict(got []outcome) error {
	got = slices.DeleteFunc(got, func(o outcome) bool { return o.err == nil && o.status < 200 })
	if len(got) != 1 {
		return fmt.Errorf("ends: %v", got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o := got[0]
	first := 2 * Timeout
	if len(f.final) > 0 {
		first = slices.Min(f.final)
	}
	switch {
	case o.err == nil && o.at == first && first <= Timeout:
		return nil
	case errors.Is(o.err, ErrTimeout) && first >= Timeout && o.at >= Timeout && o.at <= Timeout+timing.Tick:
		return nil
	}
	return fmt.Errorf("got %v, the first response arrived at %v", o, f.final)
}

// step is what happens to an INVITE at one moment: a response, or (status 0) the
// wish to cancel it.
type step struct {
	at     time.Duration
	status int
	tag    string
}

// steps draws what happens. No two moments, with 32 s between them or not, are
// nearer than a tick of the wheel.
func steps(t *rapid.T) []step {
	one := rapid.Custom(func(t *rapid.T) step {
		return step{
			time.Duration(rapid.OneOf(rapid.IntRange(0, 30), rapid.IntRange(0, 700)).Draw(t, "at")) * 100 * ms,
			rapid.SampledFrom([]int{0, 100, 180, 183, 199, 200, 202, 302, 486, 487, 603}).Draw(t, "status"),
			rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tag"),
		}
	})
	all := rapid.SliceOfN(one, 0, 7).Draw(t, "steps")
	slices.SortStableFunc(all, func(a, b step) int { return int(a.at - b.at) })
	for i := range all {
		all[i].at += time.Duration(13*(i+1)) * ms
	}
	slices.SortStableFunc(all, func(a, b step) int { return int(a.at - b.at) })
	return append(all, step{150 * time.Second, 480, "a"}) // Ends what still rings.
}

// model says what must come of the steps by RFC 3261 figure 5 with RFC 6026: what
// the user hears, and when ACKs and CANCELs leave.
type model struct {
	state        clientState
	until        time.Duration // when the state ends by itself
	wanted, sent bool
	heard        []outcome
	acks         []time.Duration
	cancels      []time.Duration
}

func predict(all []step) *model {
	m := &model{until: Timeout}
	for _, s := range all {
		m.pass(s.at)
		switch {
		case s.status == 0:
			m.wanted = true
		case s.status < 200 && m.state.waiting():
			if m.state == calling {
				m.state, m.until = proceeding, time.Hour
			}
			m.heard = append(m.heard, outcome{status: s.status, tag: s.tag, at: s.at})
		case s.status >= 200:
			m.final(s)
		}
		if m.state == proceeding && m.wanted && !m.sent {
			m.sent, m.until = true, s.at+Timeout
			m.cancels = append(m.cancels, s.at)
		}
	}
	m.pass(time.Hour)
	return m
}

func (m *model) pass(now time.Duration) {
	if now < m.until || m.state == terminated {
		return
	}
	if m.state.waiting() {
		m.heard = append(m.heard, outcome{err: ErrTimeout, at: m.until})
	}
	m.state = terminated
}

func (m *model) final(s step) {
	first := m.state.waiting()
	switch {
	case m.state == terminated:
		return
	case first && s.status < 300:
		m.state, m.until = accepted, s.at+Timeout
	case first:
		m.state, m.until = completed, s.at+Timeout
	}
	if s.status >= 300 && m.state == completed {
		m.acks = append(m.acks, s.at)
	}
	if first || s.status < 300 {
		m.heard = append(m.heard, outcome{status: s.status, tag: s.tag, at: s.at})
	}
}

// TestInviteLaws plays random responses and a CANCEL against the model.
func TestInviteLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := steps(rt)
		if fault := bubble(t, func(n *memnet.Network, a, b *node) error { return playInvite(n, a, b, all) }); fault != nil {
			rt.Fatal(fault)
		}
	})
}

func playInvite(n *memnet.Network, a, b *node, all []step) error {
	begin := time.Now()
	acks, cancels := watch(n, here, sip.ACK), watch(n, here, sip.CANCEL)
	b.handler.onRequest = func(*Incoming) {}
	u := &outcomes{begin: begin}
	c, err := a.Request(request(sip.INVITE), udp(there), u)
	if err != nil {
		return err
	}
	synctest.Wait()
	invite := b.handler.taken()[0]
	for _, s := range all {
		time.Sleep(time.Until(begin.Add(s.at)))
		if s.status == 0 {
			c.Cancel()
			continue
		}
		resp := sip.NewResponse(invite, s.status, "", s.tag)
		if err := b.transport.Send(udp(here)[0], resp.Bytes(), nil); err != nil {
			return err
		}
		synctest.Wait()
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	return compare(predict(all), u.all(), acks.all(), cancels.all())
}

func compare(want *model, heard []outcome, acks, cancels []time.Duration) error {
	// An unanswered CANCEL is sent again, but there is only one transaction.
	if len(cancels) > 0 {
		cancels = cancels[:1]
	}
	near := func(a, b time.Duration) bool { return a >= b && a <= b+timing.Tick }
	same := slices.EqualFunc(heard, want.heard, func(g, w outcome) bool {
		return g.status == w.status && g.tag == w.tag && errors.Is(g.err, w.err) && near(g.at, w.at)
	})
	if !same || !slices.EqualFunc(acks, want.acks, near) || !slices.EqualFunc(cancels, want.cancels, near) {
		return fmt.Errorf("heard %v, ACKs %v, CANCEL %v;\nwant %v, ACKs %v, CANCEL %v", heard, acks, cancels, want.heard, want.acks, want.cancels)
	}
	return nil
}
