package overload

import (
	"testing"
	"time"
)

// model is a server that can do so much work a second: what waits for it is the sign.
type model struct {
	gate     gate
	now      time.Time
	capacity float64       // calls a second
	backlog  float64       // calls
	crowd    bool          // calls that wait are seen; else only how long they do
	other    time.Duration // a wait that comes from other work of the machine
	owed     float64       // part of a call that is about to be offered

	taken, refused int
	longest        time.Duration
}

func newModel(capacity float64) *model {
	m := &model{now: time.Unix(0, 0), capacity: capacity}
	m.gate.at, m.gate.levels = m.now, levels(1)
	return m
}

// offer has calls come at a rate for a time.
func (m *model) offer(rate float64, d time.Duration) {
	m.taken, m.refused, m.longest = 0, 0, 0
	for end := m.now.Add(d); m.now.Before(end); {
		for m.owed += rate * every.Seconds(); m.owed >= 1; m.owed-- {
			if m.gate.admit() {
				m.taken++
				m.backlog++
			} else {
				m.refused++
			}
		}
		m.now = m.now.Add(every)
		m.backlog = max(m.backlog-m.capacity*every.Seconds(), 0)
		wait := time.Duration(m.backlog / m.capacity * float64(time.Second))
		m.longest = max(m.longest, wait)
		waiting := 0
		if m.crowd {
			waiting = int(m.backlog)
		}
		m.gate.look(m.now, wait+m.other, waiting)
	}
}

// TestOverload: at three times what the server can, it does nearly all that it can, what it
// takes does not wait long, and a second later everything is as before.
func TestOverload(t *testing.T) {
	for _, c := range []struct {
		capacity float64
		crowd    bool
	}{{400, false}, {3000, false}, {3000, true}} {
		capacity, m := c.capacity, newModel(c.capacity)
		m.crowd = c.crowd
		if m.offer(0.8*capacity, 5*time.Second); m.refused > 0 {
			t.Errorf("%v/s: %d calls are refused below the capacity", capacity, m.refused)
		}
		m.offer(3*capacity, 2*time.Second) // finds the rate
		m.offer(3*capacity, 10*time.Second)
		if did := float64(m.taken) / 10; did < 0.85*capacity {
			t.Errorf("%v/s: only %v a second are taken", capacity, did)
		}
		if m.longest > 250*time.Millisecond {
			t.Errorf("%v/s: calls that are taken wait for %v", capacity, m.longest)
		}
		m.offer(0.8*capacity, time.Second)
		if m.offer(0.8*capacity, 5*time.Second); m.refused > 0 || m.gate.limited {
			t.Errorf("%v/s: %d calls are refused after the overload", capacity, m.refused)
		}
	}
}

// TestBurst: calls that come at once and can be done at once are all taken.
func TestBurst(t *testing.T) {
	m := newModel(1000)
	if m.offer(2000, every); m.refused > 0 {
		t.Errorf("%d are refused", m.refused)
	}
	if m.offer(10, time.Second); m.refused > 0 || m.gate.limited {
		t.Errorf("%d are refused after a burst", m.refused)
	}
}

// TestHiccup: who places few calls is not refused because the machine stood still.
func TestHiccup(t *testing.T) {
	m := newModel(1000)
	for range 10 {
		m.gate.look(m.now.Add(every), time.Second, 1000)
		m.now = m.now.Add(every)
	}
	if m.offer(20, 5*time.Second); m.refused > 0 {
		t.Errorf("%d are refused", m.refused)
	}
}

// TestOtherWork: a machine that is slow because it has other work does not refuse those
// who place some calls, also when it came to a standstill before.
func TestOtherWork(t *testing.T) {
	m := newModel(1000)
	m.other = 80 * time.Millisecond
	if m.offer(0.9*enough, 5*time.Second); m.refused > 0 {
		t.Errorf("%d are refused", m.refused)
	}
	m.other = time.Second
	m.offer(0.9*enough, 5*time.Second)
	m.other = 80 * time.Millisecond
	m.offer(0.9*enough, calm)
	if m.offer(0.9*fewest, 2*time.Second); m.refused > 0 {
		t.Errorf("%d are refused after a standstill", m.refused)
	}
}

// TestStandstill: a server that does nothing else any more takes some calls all the same.
func TestStandstill(t *testing.T) {
	m := newModel(1)
	m.offer(1000, 10*time.Second)
	if m.offer(1000, 10*time.Second); m.taken < 8*fewest {
		t.Errorf("%d calls are taken", m.taken)
	}
}
