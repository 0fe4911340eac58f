package control

import (
	"cmp"
	"errors"

	"callcontroller/internal/audit"
	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// placed records that a call was placed, or why not.
func (c *Control) placed(p auth.Principal, r PlaceRequest, running *engine.Running, err error) {
	e := entry(audit.CallPlaced, p, StatusRequest{Agent: r.Agent, Calling: r.Calling, Called: r.Called})
	e.Method = clip(r.Method)
	if running != nil {
		e.Call = string(running.ID())
	}
	c.record(e, audit.CallRefused, err)
}

// transferred records that a transfer was begun, or why not.
func (c *Control) transferred(p auth.Principal, r TransferRequest, err error) {
	e := entry(audit.TransferPlaced, p, r.StatusRequest)
	e.Target = clip(r.Target)
	c.record(e, audit.TransferRefused, err)
}

// byName begins the entry of what is done to a call that was named; nil when it is not
// there.
func byName(event string, p auth.Principal, running *engine.Running) audit.Entry {
	e := by(p)
	e.Event = event
	if running != nil {
		caller, callee := running.Snapshot().Parties()
		e.Call, e.Agent, e.Calling, e.Called = string(running.ID()), running.Order().Agent.User, caller.Address(), callee.Address()
	}
	return e
}

// by is what an entry says of who has asked.
func by(p auth.Principal) audit.Entry {
	return audit.Entry{User: p.Name, Admin: p.Admin, Trusted: p.Trusted, Token: p.Token, Source: p.Source}
}

// looked records that somebody has looked at what is not his.
func (c *Control) looked(p auth.Principal, r StatusRequest, err error) {
	if kind := call.KindOf(err); kind == call.NotAgent || kind == call.OutOfScope {
		c.record(entry(audit.StatusRefused, p, r), audit.StatusRefused, err)
	}
}

func entry(event string, p auth.Principal, r StatusRequest) audit.Entry {
	e := by(p)
	e.Event, e.Agent, e.Calling, e.Called = event, clip(cmp.Or(r.Agent, r.Calling)), clip(r.Calling), clip(r.Called)
	return e
}

// record writes the entry; with an error it is one of a refusal.
func (c *Control) record(e audit.Entry, refused string, err error) {
	if fault, ok := errors.AsType[*call.Error](err); ok {
		e.Event, e.Reason, e.Rule = refused, fault.Text, fault.Rule
	} else if err != nil {
		e.Event, e.Reason = refused, "internal error"
	}
	c.config.Audit.Record(e)
}
