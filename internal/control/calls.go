package control

import (
	"context"
	"slices"
	"strings"

	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// Call gives a call that is not over, by its name. Whoever may not see it is told that
// there is none (call.Missing).
func (c *Control) Call(_ context.Context, p auth.Principal, id call.ID) (*engine.Running, error) {
	return c.named(p, ToSee, id)
}

// named gives the call of a name, for a use case.
func (c *Control) named(p auth.Principal, u UseCase, id call.ID) (*engine.Running, error) {
	if err := Permit(p, u); err != nil {
		return nil, err
	}
	running, ok := c.config.Engine.Find(id)
	if !ok || !MaySee(p, running.Order().Agent.User) {
		return nil, fault(call.Missing, "there is no call %q", clip(string(id)))
	}
	return running, nil
}

// MaySee tells whether a principal may see, and end, the calls of an agent (row Z22), as
// far as Permit lets him.
func MaySee(p auth.Principal, agent string) bool {
	return p.Trusted || p.Admin || p.Name != "" && p.Name == agent
}

// Filter picks calls. A field that is empty picks all.
type Filter struct {
	Agent string     // user name
	Party string     // user name, or address user@host, of either party
	State call.State // where the call stands
}

// Picks tells whether a call is one of them.
func (f Filter) Picks(c *call.Call) bool {
	if f.Agent != "" && c.Order.Agent.User != f.Agent || f.State != "" && c.State != f.State {
		return false
	}
	caller, callee := c.Parties()
	return f.Party == "" || caller.Goes(f.Party) || callee.Goes(f.Party)
}

// Calls gives the calls that are not over and that the principal may see, the one placed
// first in front. The error is call.OutOfScope.
func (c *Control) Calls(_ context.Context, p auth.Principal, f Filter) ([]*engine.Running, error) {
	if err := Permit(p, ToList); err != nil {
		return nil, err
	}
	var list []*engine.Running
	for running := range c.config.Engine.All() {
		if snapshot := running.Snapshot(); MaySee(p, snapshot.Order.Agent.User) && f.Picks(snapshot) {
			list = append(list, running)
		}
	}
	slices.SortFunc(list, func(a, b *engine.Running) int {
		if d := a.Order().Placed - b.Order().Placed; d != 0 {
			return int(d)
		}
		return strings.Compare(string(a.ID()), string(b.ID()))
	})
	return list, nil
}

// Check tells whether a call may be placed now, and places none: nil, or the error that
// Place would give. It counts in no limit.
func (c *Control) Check(_ context.Context, p auth.Principal, r PlaceRequest) error {
	if err := Permit(p, ToCheck); err != nil {
		return err
	}
	_, err := c.order(p, r)
	return err
}

// Hangup ends a call, also one that still rings. The error is call.Missing or
// call.OutOfScope.
func (c *Control) Hangup(_ context.Context, p auth.Principal, id call.ID) error {
	running, err := c.named(p, ToEnd, id)
	if err != nil {
		return err
	}
	c.config.Audit.Record(byName(audit.CallHungUp, p, running))
	running.Post(call.Hangup{By: call.ByAgent})
	return nil
}

// TransferCall is Transfer for a call by its name, and for either party: call.Caller or
// call.Callee is who is replaced. It gives the call, which stands as Transfer says.
func (c *Control) TransferCall(ctx context.Context, p auth.Principal, id call.ID, replaced call.Leg, target string) (*engine.Running, error) {
	running, party, err := c.transferableCall(p, id, target)
	e := byName(audit.TransferPlaced, p, running)
	e.Call, e.Target = clip(string(id)), clip(target)
	c.record(e, audit.TransferRefused, err)
	if err != nil {
		return nil, err
	}
	return running, transfer(ctx, running, replaced, party)
}

func (c *Control) transferableCall(p auth.Principal, id call.ID, target string) (*engine.Running, *call.Party, error) {
	running, err := c.named(p, ToTransfer, id)
	if err != nil {
		return nil, nil, err
	}
	to, err := c.dialable("target", target)
	if err != nil {
		return nil, nil, err
	}
	if !running.Snapshot().CanTransfer() {
		return nil, nil, fault(call.Conflict, "the call is not one that the server stays in (method invite), is not connected, or is being transferred already")
	}
	if err := c.mayTransfer(running.Order().Agent.User, &to); err != nil {
		return nil, nil, err
	}
	party := c.orderParty(to)
	return running, &party, nil
}

// Hold stops the media of a call in INVITE mode, beginning with that leg; with off, the
// parties talk again. It gives the call. The error is call.Missing, call.OutOfScope, or
// call.Conflict when the call is not connected or its parties agree on something else just
// now.
func (c *Control) Hold(_ context.Context, p auth.Principal, id call.ID, leg call.Leg, off bool) (*engine.Running, error) {
	running, err := c.named(p, ToHold, id)
	if err != nil {
		return nil, err
	}
	if !running.Snapshot().CanHold(off) {
		return nil, fault(call.Conflict, "the call is not one that the server stays in (method invite), is not connected, or its parties agree on something else just now")
	}
	if off {
		running.Post(call.Resume{Leg: leg})
	} else {
		running.Post(call.Hold{Leg: leg})
	}
	return running, nil
}
