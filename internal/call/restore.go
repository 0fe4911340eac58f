package call

import (
	"errors"
	"fmt"
	"math"
	"time"

	"callcontroller/internal/pack"
)

// errVersion says that a call was saved by another version of the program.
var errVersion = errors.New("saved by another version")

// maxSaved bounds the lists of a saved call: none was saved with more.
const maxSaved = 1 << 20

// Restore makes a call of what Save wrote. It goes on with Restored.
func Restore(b []byte) (Call, error) {
	if len(b) == 0 || b[0] != savedAs {
		return Call{}, fmt.Errorf("restore a call: %w", errVersion)
	}
	r := pack.NewReader(b[1:])
	c := Call{ID: ID(r.String()), Order: restoreOrder(r), State: State(r.String()), Outcome: restoreOutcome(r)}
	c.CallerLeg = LegState(r.Uint(uint64(Terminated)))
	c.Connected, c.Ended = Stamp(r.Int()), Stamp(r.Int())
	for range r.Uint(maxSaved) {
		if r.Err() != nil {
			break
		}
		c.Rows = append(c.Rows, Row{At: Stamp(r.Int()), SIPCallID: r.String(), Line: r.String(), Method: Method(r.Uint(uint64(ByNotify)))})
	}
	c.invites = small(r)
	c.flow.restore(r)
	if r.Uint(1) == 1 {
		c.bridge = restoreBridge(r, c.Order)
	}
	if !c.State.known() {
		r.Fail()
	}
	if err := r.Err(); err != nil {
		return Call{}, fmt.Errorf("restore a call: %w", err)
	}
	return c, nil
}

// known tells the states that there are.
func (s State) known() bool {
	switch s {
	case Queued, CallingCaller, CallerRinging, CallerAnswered, CallingCallee, CalleeRinging, HandedOff, Connected, Transferring, Ended:
		return true
	default:
		return false
	}
}

func small(r *pack.Reader) uint8 { return uint8(r.Uint(math.MaxUint8)) } //nolint:gosec // as the line says

func restoreOrder(r *pack.Reader) *Order {
	o := &Order{Mode: Mode(r.Uint(uint64(ByStay)))}
	r.Bools(&o.Forwarding, &o.Fallback, &o.Automatic, &o.FirstRow)
	for _, p := range []*Party{&o.Agent, &o.Caller, &o.Callee} {
		*p = restoreParty(r)
	}
	o.ReferredBy, o.Subject = r.String(), r.String()
	o.Placed, o.Keep = Stamp(r.Int()), time.Duration(r.Int())
	if r.Uint(1) == 1 {
		o.Limits = &Limits{}
		for _, d := range o.times() {
			*d = time.Duration(r.Int())
		}
		o.MaxRows = int(r.Int())
	} else {
		r.Fail() // No call is without.
	}
	if r.Uint(1) == 1 {
		o.Wishes = restoreWishes(r)
	}
	return o
}

func restoreParty(r *pack.Reader) Party {
	return Party{URI: r.String(), Display: r.String(), User: r.String()}
}

func restoreWishes(r *pack.Reader) *Wishes {
	w := &Wishes{}
	for range r.Uint(maxSaved) {
		if r.Err() != nil {
			break
		}
		if w.Metadata == nil {
			w.Metadata = map[string]string{}
		}
		name := r.String()
		w.Metadata[name] = r.String()
	}
	w.CalleeRing, w.Shown = time.Duration(r.Int()), [2]string{r.String(), r.String()}
	return w
}

func restoreOutcome(r *pack.Reader) Outcome {
	return Outcome{Result: Result(r.String()), FailedLeg: Leg(r.Uint(uint64(numLegs))), SIPCode: int(r.Int()), EndedBy: r.String()}
}

func (f *referFlow) restore(r *pack.Reader) {
	f.subscription, f.offer, f.number = subscription(r.Uint(uint64(concluded))), Offer(r.Uint(uint64(OfferPeer))), small(r)
	r.Bools(&f.retried, &f.bye, &f.noRefer, &f.media)
}

func restoreBridge(r *pack.Reader, o *Order) *bridge {
	b := &bridge{}
	for i := range b.side {
		b.side[i].restore(r, o)
	}
	for _, l := range []*Leg{&b.caller, &b.callee, &b.target, &b.replaced} {
		*l = Leg(r.Uint(uint64(numLegs)))
	}
	if b.caller == numLegs || b.callee == numLegs || b.replaced == numLegs || b.caller == b.callee {
		r.Fail()
	}
	var exchanging, failed bool
	if r.Bools(&b.held, &exchanging, &failed); exchanging {
		b.ex.stage = interrupted
	}
	if failed {
		f := restoreOutcome(r)
		b.failure = &f
	}
	return b
}

func (s *side) restore(r *pack.Reader, o *Order) {
	s.state, s.offer, s.number = LegState(r.Uint(uint64(Terminated))), Offer(r.Uint(uint64(OfferPeer))), small(r)
	r.Bools(&s.retried, &s.cancelling, &s.bye, &s.owed, &s.media)
	switch uint8(r.Uint(uint64(somebody))) {
	case theCaller:
		s.party = &o.Caller
	case theCallee:
		s.party = &o.Callee
	case somebody:
		p := restoreParty(r)
		s.party = &p
	}
}
