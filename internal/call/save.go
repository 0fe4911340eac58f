package call

import (
	"maps"
	"slices"
	"time"

	"callcontroller/internal/pack"
)

// savedAs is the version of what Save writes. Another one is not read.
const savedAs = 1

// Save adds to b what Restore needs to make the same call again: all but the PIN of a
// conference, which is no business of a file, and the offer or answer that is under way.
func (c *Call) Save(b []byte) []byte {
	b = append(b, savedAs)
	b = c.Order.save(pack.String(b, c.ID))
	b = c.Outcome.save(pack.String(b, c.State))
	b = pack.Int(pack.Int(pack.Uint(b, c.CallerLeg), c.Connected), c.Ended)
	b = pack.Uint(b, uint64(len(c.Rows)))
	for _, r := range c.Rows {
		b = pack.Uint(pack.String(pack.String(pack.Int(b, r.At), r.SIPCallID), r.Line), r.Method)
	}
	b = c.flow.save(pack.Uint(b, c.invites))
	if c.bridge == nil {
		return append(b, 0)
	}
	return c.bridge.save(append(b, 1), c.Order)
}

func (o *Order) save(b []byte) []byte {
	b = pack.Bools(pack.Uint(b, o.Mode), o.Forwarding, o.Fallback, o.Automatic, o.FirstRow)
	for _, p := range []*Party{&o.Agent, &o.Caller, &o.Callee} {
		b = p.save(b)
	}
	b = pack.String(pack.String(b, o.ReferredBy), o.Subject)
	b = pack.Int(pack.Int(b, o.Placed), o.Keep)
	if l := o.Limits; l != nil {
		b = append(b, 1)
		for _, d := range l.times() {
			b = pack.Int(b, *d)
		}
		b = pack.Int(b, l.MaxRows)
	} else {
		b = append(b, 0)
	}
	return o.Wishes.save(b)
}

func (p *Party) save(b []byte) []byte {
	return pack.String(pack.String(pack.String(b, p.URI), p.Display), p.User)
}

// times are the limits that are durations, always in this order.
func (l *Limits) times() []*time.Duration {
	return []*time.Duration{&l.KeepAlive, &l.RingTimeout, &l.MaxDuration, &l.ReferDelay, &l.NotifyTimeout, &l.ReferLimit}
}

func (w *Wishes) save(b []byte) []byte {
	if w == nil {
		return append(b, 0)
	}
	b = pack.Uint(append(b, 1), uint64(len(w.Metadata)))
	for _, name := range slices.Sorted(maps.Keys(w.Metadata)) {
		b = pack.String(pack.String(b, name), w.Metadata[name])
	}
	return pack.String(pack.String(pack.Int(b, w.CalleeRing), w.Shown[0]), w.Shown[1])
}

func (o *Outcome) save(b []byte) []byte {
	return pack.String(pack.Int(pack.Uint(pack.String(b, o.Result), o.FailedLeg), o.SIPCode), o.EndedBy)
}

func (f *referFlow) save(b []byte) []byte {
	return pack.Bools(pack.Uint(pack.Uint(pack.Uint(b, f.subscription), f.offer), f.number), f.retried, f.bye, f.noRefer, f.media)
}

// Whose party a side has.
const (
	nobody uint8 = iota
	theCaller
	theCallee
	somebody // it is written out
)

func (b *bridge) save(out []byte, o *Order) []byte {
	for i := range b.side {
		out = b.side[i].save(out, o)
	}
	for _, l := range []Leg{b.caller, b.callee, b.target, b.replaced} {
		out = pack.Uint(out, l)
	}
	out = pack.Bools(out, b.held, b.ex.stage != none, b.failure != nil)
	if b.failure != nil {
		out = b.failure.save(out)
	}
	return out
}

func (s *side) save(b []byte, o *Order) []byte {
	b = pack.Uint(pack.Uint(pack.Uint(b, s.state), s.offer), s.number)
	b = pack.Bools(b, s.retried, s.cancelling, s.bye, s.owed, s.media)
	switch s.party {
	case nil:
		return append(b, nobody)
	case &o.Caller:
		return append(b, theCaller)
	case &o.Callee:
		return append(b, theCallee)
	default:
		return s.party.save(append(b, somebody))
	}
}
