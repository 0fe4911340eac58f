// Package chronicle turns a call, and what becomes of it, into JSON (package api), the same for answers and
// for events. It decides nothing, keeps nothing and starts no goroutine. No secret of a
// call is in what it gives.
package chronicle

import (
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
)

// Naming names the dialog of a leg, false before there is one, as engine.Running does.
type Naming func(call.Leg) (call.DialogID, bool)

// CallOf gives a call as it stands.
func CallOf(c *call.Call, dialog Naming) api.Call {
	caller, callee := c.Parties()
	o := api.Call{
		ID: string(c.ID), State: string(c.State), Method: methodOf(c), Agent: c.Order.Agent.User,
		Caller: partyOf(caller), Callee: partyOf(callee), Subject: c.Order.Subject,
		CreatedAt: c.Order.Placed.Time(), ConnectedAt: moment(c.Connected), EndedAt: moment(c.Ended),
		Legs: legsOf(c, dialog), Transfer: transferOf(c),
	}
	if c.Order.Wishes != nil {
		o.Metadata = c.Order.Metadata
	}
	if c.State == call.Ended {
		o.Outcome = &api.Outcome{Result: string(c.Outcome.Result), FailedLeg: c.Outcome.Failed(), SIPCode: c.Outcome.SIPCode, EndedBy: c.Outcome.EndedBy}
	}
	return o
}

func methodOf(c *call.Call) string {
	if c.Stays() {
		return "invite"
	}
	return "refer"
}

func partyOf(p *call.Party) api.Party {
	return api.Party{Address: p.Address(), Name: p.Display, User: p.User}
}

func moment(s call.Stamp) *time.Time {
	if s == 0 {
		return nil
	}
	t := s.Time()
	return &t
}

// legsOf gives the legs that live. In REFER mode that is the calling party's alone.
func legsOf(c *call.Call, dialog Naming) []api.Leg {
	var legs []api.Leg
	for _, d := range c.Dialogs() {
		legs = append(legs, legOf(d, dialog))
	}
	if !c.Stays() && c.CallerLeg != call.Idle && c.CallerLeg != call.Terminated {
		legs = append(legs, legOf(call.Dialog{Party: &c.Order.Caller, State: c.CallerLeg}, dialog))
	}
	return legs
}

func legOf(d call.Dialog, dialog Naming) api.Leg {
	leg := api.Leg{Role: d.Role.String(), Party: partyOf(d.Party), State: d.State.String(), Held: d.Held}
	if id, ok := dialog(d.Leg); ok {
		leg.SIPCallID = id.SIPCallID
	}
	return leg
}

func transferOf(c *call.Call) *api.Transfer {
	t := c.Transferral()
	if t.Target == nil {
		return nil
	}
	return &api.Transfer{Target: partyOf(t.Target), Replaces: t.Replaced.String(), Ringing: t.Ringing}
}
