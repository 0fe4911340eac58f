package signalling

import (
	"fmt"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/pack"
	"callcontroller/internal/sdp"
)

// Save implements engine.Line.
func (l *line) Save(b []byte) []byte {
	l.mu.Lock()
	legs := l.legs
	l.mu.Unlock()
	for _, g := range legs {
		start := len(b)
		if g != nil && g.session != nil {
			b = g.save(b)
		}
		b = pack.Enclose(b, start)
	}
	return b
}

func (g *leg) save(b []byte) []byte {
	b = pack.Uint(pack.Uint(b, g.number), g.referSeq.Load())
	g.line.mu.Lock()
	start := len(b)
	b = pack.Enclose(g.sdp.Save(b), start)
	b = g.timer.save(b)
	g.line.mu.Unlock()
	return g.session.Save(b)
}

func (s *sessionTimer) save(b []byte) []byte {
	if s == nil {
		return pack.Uint(b, uint32(0))
	}
	return pack.String(pack.Bools(pack.Uint(b, s.seconds), s.ours, s.update), s.told)
}

// Restore implements engine.Line.
func (l *line) Restore(c *call.Call, saved []byte, age time.Duration) error {
	r := pack.NewReader(saved)
	var legs [call.NumLegs][]byte
	for i := range legs {
		legs[i] = r.Bytes()
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("restore the legs: %w", err)
	}
	for _, t := range c.Tried() {
		if t.State == call.Terminated {
			continue
		}
		if err := l.restoreLeg(t, c.Sides()[t.Leg].Role, legs[t.Leg], age); err != nil {
			return err
		}
	}
	return nil
}

// restoreLeg makes a leg again. What was saved of the leg is of another INVITE when it is
// older than this one, which was about to leave then.
func (l *line) restoreLeg(t call.Tried, role call.Leg, saved []byte, age time.Duration) error {
	g := &leg{line: l, which: t.Leg, number: t.Number, first: t.Offer, to: t.Party, sdp: sdp.Leg{Port: l.config.SinkPort}}
	r := pack.NewReader(saved)
	if len(saved) > 0 && r.Uint(uint64(t.Number)) == uint64(t.Number) {
		g.referSeq.Store(uint32(r.Uint(1<<32 - 1))) //nolint:gosec // as the line says
		g.restore(r)
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("restore the %s's leg: %w", t.Leg, err)
	}
	l.config.Leg(l.call.ID(), role, g.name().SIPCallID)
	var err error
	if g.session, err = l.config.UA.Restore(g.name(), r.Rest(), age, l.account(), g); err != nil {
		return fmt.Errorf("the %s's leg: %w", t.Leg, err)
	}
	l.legs[t.Leg] = g
	return nil
}

func (g *leg) restore(r *pack.Reader) {
	if err := g.sdp.Restore(r.Bytes()); err != nil {
		r.Fail()
	}
	s := &sessionTimer{leg: g, seconds: uint32(r.Uint(1<<32 - 1))} //nolint:gosec // as the line says
	if s.seconds == 0 {
		return
	}
	r.Bools(&s.ours, &s.update)
	s.told = r.String()
	g.timer = s
}

// Reach implements engine.Line.
func (l *line) Reach() {
	for _, g := range l.legs {
		if g == nil {
			continue
		}
		g.line.mu.Lock()
		if g.timer != nil { // How much of its time is over, nobody knows.
			if g.timer.ours {
				g.timer.start(retryRefresh)
			} else {
				g.timer.start(g.timer.wait())
			}
		}
		g.line.mu.Unlock()
		g.session.Reach()
	}
}

// Unanswered implements engine.Line.
func (l *line) Unanswered() (all [call.NumLegs]bool) {
	for i, g := range l.legs {
		all[i] = g != nil && g.session.Unanswered()
	}
	return all
}
