package transaction

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

// seconds makes durations.
func seconds(s ...float64) []time.Duration {
	var d []time.Duration
	for _, v := range s {
		d = append(d, time.Duration(v*float64(time.Second)))
	}
	return d
}

// TestRetransmissions: timers A, B, E and F over UDP; over TCP nothing is repeated.
func TestRetransmissions(t *testing.T) {
	for _, c := range []struct {
		method  string
		targets []transport.Target
		want    []time.Duration
	}{
		{sip.INVITE, udp(there), seconds(0, .5, 1.5, 3.5, 7.5, 15.5, 31.5)},
		{sip.BYE, udp(there), seconds(0, .5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)},
		{sip.INVITE, tcp(there), seconds(0)},
		{sip.BYE, tcp(there), seconds(0)},
	} {
		t.Run(c.method+" "+c.targets[0].Protocol.String(), func(t *testing.T) {
			fault := bubble(t, func(n *memnet.Network, a, _ *node) error {
				sent, u := watch(n, here, c.method), &outcomes{begin: time.Now()}
				if _, err := a.Request(request(c.method), c.targets, u); err != nil {
					return err
				}
				time.Sleep(2 * Timeout)
				if got := sent.all(); !slices.Equal(got, c.want) {
					t.Errorf("sent at %v, want %v", got, c.want)
				}
				got := u.all()
				if len(got) != 1 || !errors.Is(got[0].err, ErrTimeout) || got[0].at != Timeout {
					t.Errorf("got %v, want a time-out at 32 s", got)
				}
				return nil
			})
			if fault != nil {
				t.Error(fault)
			}
		})
	}
}

// TestLinger: how long a finished transaction is kept (timers D and M; of K nothing is left to do).
func TestLinger(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		targets []transport.Target
		status  int
		want    time.Duration
	}{
		"D":     {sip.INVITE, udp(there), 486, Timeout},
		"D TCP": {sip.INVITE, tcp(there), 486, 0},
		"K":     {sip.BYE, udp(there), 200, 0}, // see finalOther
		"K TCP": {sip.BYE, tcp(there), 200, 0},
		"M":     {sip.INVITE, udp(there), 200, Timeout},
		"M TCP": {sip.INVITE, tcp(there), 200, Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			fault := bubble(t, func(_ *memnet.Network, a, b *node) error {
				b.handler.onRequest = func(in *Incoming) { in.Reply(sip.NewResponse(in.Msg, c.status, "", "b")) }
				if _, err := a.Request(request(c.method), c.targets, &outcomes{begin: time.Now()}); err != nil {
					return err
				}
				time.Sleep(c.want - time.Millisecond)
				synctest.Wait()
				if n := a.Stats().Clients; c.want > 0 && n != 1 {
					t.Errorf("%d transactions before %v, want 1", n, c.want)
				}
				time.Sleep(2*timing.Tick + time.Millisecond)
				synctest.Wait()
				return a.left()
			})
			if fault != nil {
				t.Error(fault)
			}
		})
	}
}

// wire is a Transport that refuses what it is told to refuse.
type wire struct {
	refuse map[transport.Target]error
	mu     sync.Mutex
	list   []sentMessage
}

type sentMessage struct {
	to   transport.Target
	text string
	by   transport.Sender
}

func (w *wire) Send(t transport.Target, data []byte, s transport.Sender) error {
	if err := w.refuse[t]; err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, sentMessage{t, string(data), s})
	return nil
}

// sent gives what was taken.
func (w *wire) sent() []sentMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sentMessage(nil), w.list...)
}

func (*wire) Reply(transport.Source, int, []byte) error { return nil }

func (*wire) SentBy(transport.Target) (string, int) { return "192.0.2.1", 5060 }

// onWire runs f with a layer on a wire, and checks that nothing is left.
func onWire(t *testing.T, f func(t *testing.T, l *Layer, w *wire, u *outcomes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, wheel := &wire{refuse: map[transport.Target]error{}}, timing.New()
		defer wheel.Close()
		l := New(w, wheel, &recorder{}, slog.New(slog.DiscardHandler))
		f(t, l, w, &outcomes{begin: time.Now()})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if s := l.Stats(); s.Clients+wheel.Running() != 0 {
			t.Errorf("left: %d transactions, %d timers", s.Clients, wheel.Running())
		}
	})
}

var errRefused = errors.New("refused")

// TestNextTarget: the ways are tried in order, each with a branch of its own,
// whether a send fails at once or later.
func TestNextTarget(t *testing.T) {
	first, second, third := udp(here)[0], tcp(there)[0], udp(there)[0]
	onWire(t, func(t *testing.T, l *Layer, w *wire, u *outcomes) {
		w.refuse[first] = errRefused
		c, err := l.Request(request(sip.INVITE), []transport.Target{first, second, third}, u)
		if err != nil {
			t.Fatal(err)
		}
		w.sent()[0].by.SendFailed(errRefused)
		sent := w.sent()
		if len(sent) != 2 || sent[0].to != second || sent[1].to != third || c.Target() != third {
			t.Fatalf("sent %v", sent)
		}
		branches := map[string]bool{}
		for _, s := range sent {
			m, _ := sip.Parse([]byte(s.text))
			via, _ := m.Via()
			branches[via.Branch()] = true
			if via.Transport != s.to.Protocol.String() {
				t.Errorf("Via %v to %v", via, s.to)
			}
		}
		if len(branches) != 2 || l.Stats().Clients != 1 {
			t.Errorf("branches %v, %d transactions", branches, l.Stats().Clients)
		}
		time.Sleep(Timeout + timing.Tick)
		if got := u.all(); len(got) != 1 || !errors.Is(got[0].err, ErrTimeout) {
			t.Errorf("got %v", got)
		}
	})
}

// TestNoTarget: what is told when no way is left.
func TestNoTarget(t *testing.T) {
	onWire(t, func(t *testing.T, l *Layer, w *wire, u *outcomes) {
		w.refuse[udp(there)[0]] = errRefused
		if _, err := l.Request(request(sip.BYE), udp(there), u); !errors.Is(err, ErrTransport) || !errors.Is(err, errRefused) {
			t.Errorf("error %v", err)
		}
		if _, err := l.Request(request(sip.BYE), nil, u); !errors.Is(err, ErrTransport) {
			t.Errorf("error %v", err)
		}
		if got := u.all(); len(got) != 0 {
			t.Errorf("the user was told %v of what was never sent", got)
		}
		if _, err := l.Request(request(sip.BYE), tcp(there), u); err != nil {
			t.Fatal(err)
		}
		w.sent()[0].by.SendFailed(errRefused)
		w.sent()[0].by.SendFailed(errRefused) // As a transport never does.
		if got := u.all(); len(got) != 1 || !errors.Is(got[0].err, ErrTransport) || !errors.Is(got[0].err, errRefused) {
			t.Errorf("got %v", got)
		}
	})
}

// TestSendFailedTooLate: behind a response, a failed send means nothing, and behind
// the wish to cancel no other way is tried.
func TestSendFailedTooLate(t *testing.T) {
	onWire(t, func(t *testing.T, l *Layer, w *wire, u *outcomes) {
		c, err := l.Request(request(sip.INVITE), append(tcp(there), udp(there)...), u)
		if err != nil {
			t.Fatal(err)
		}
		req, _ := sip.Parse([]byte(w.sent()[0].text))
		c.Receive(sip.NewResponse(req, 180, "", "b"))
		w.sent()[0].by.SendFailed(errRefused)
		if len(w.sent()) != 1 || len(u.all()) != 1 || l.Stats().Clients != 1 {
			t.Errorf("sent %v, told %v", w.sent(), u.all())
		}
		c.Receive(sip.NewResponse(req, 486, "", "b"))
	})
	onWire(t, func(t *testing.T, l *Layer, w *wire, u *outcomes) {
		c, err := l.Request(request(sip.INVITE), append(tcp(there), udp(there)...), u)
		if err != nil {
			t.Fatal(err)
		}
		c.Cancel()
		w.sent()[0].by.SendFailed(errRefused)
		if got := u.all(); len(w.sent()) != 1 || len(got) != 1 || !errors.Is(got[0].err, ErrTransport) {
			t.Errorf("sent %v, told %v", w.sent(), got)
		}
	})
}

// TestPlan: what is too large for UDP is tried over TCP first.
func TestPlan(t *testing.T) {
	l := &Layer{transport: &wire{}}
	small, large := request(sip.INVITE), request(sip.INVITE)
	large.Add(sip.Subject, strings.Repeat("s", MTU))
	ways := append(udp(there), tcp(here)...)
	if got := l.plan(small, ways); !slices.Equal(got, ways) {
		t.Errorf("small: %v", got)
	}
	if got, want := l.plan(large, ways), slices.Concat(tcp(there), udp(there), tcp(here)); !slices.Equal(got, want) {
		t.Errorf("large: %v, want %v", got, want)
	}
}

// TestRepeatedFinal: a final response that comes again is heard once, also after the time
// of Timer K.
func TestRepeatedFinal(t *testing.T) {
	fault := bubble(t, func(_ *memnet.Network, a, b *node) error {
		again := func() {}
		b.handler.onRequest = func(in *Incoming) {
			again = func() { in.Reply(sip.NewResponse(in.Msg, 200, "", "b")) }
			again()
			again()
		}
		u := &outcomes{begin: time.Now()}
		if _, err := a.Request(request(sip.BYE), udp(there), u); err != nil {
			return err
		}
		for range 3 {
			time.Sleep(T4)
			synctest.Wait()
			again()
		}
		synctest.Wait()
		if heard := u.all(); len(heard) != 1 || heard[0].status != 200 {
			t.Errorf("heard %v, want one 200", heard)
		}
		return a.left()
	})
	if fault != nil {
		t.Error(fault)
	}
}
