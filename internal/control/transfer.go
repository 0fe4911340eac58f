package control

import (
	"context"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// TransferRequest asks for a call's calling party to be replaced by another.
type TransferRequest struct {
	StatusRequest
	Target string // user or user@host[:port]
}

// transferWait is how long Transfer waits to hear whether the target's phone rings. A
// target that is busy or unknown says so at once; one that rings may do so for minutes.
const transferWait = 5 * time.Second

// transferKeep is how long a call is found by the key that its transfer gave it, at
// least; in any case until it is over.
const transferKeep = DefaultTime

// Transfer calls the target and puts it in the place of the calling party when it
// answers; until then, and when it does not, the call stays as it is (rows M01, M02).
// It returns when the target's phone rings, or has failed to, or after transferWait.
//
// The error is call.Conflict when there is no such call, when it is one of REFER mode,
// whose phones talk without us, when it is not connected, and when the target refused;
// the other kinds are those of Status, and Denied and Limited for the target.
func (c *Control) Transfer(ctx context.Context, p auth.Principal, r TransferRequest) error {
	running, target, err := c.transferable(p, r)
	c.transferred(p, r, err)
	if err != nil {
		return err
	}
	c.config.Log.InfoContext(ctx, "call transferred", "call", string(running.ID()), "target", target.URI)
	return transfer(ctx, running, call.Caller, target)
}

// transferable checks everything and gives the call and the target.
func (c *Control) transferable(p auth.Principal, r TransferRequest) (*engine.Running, *call.Party, error) {
	if err := Permit(p, ToTransfer); err != nil {
		return nil, nil, err
	}
	k, err := c.find(p, r.StatusRequest)
	if err != nil {
		return nil, nil, err
	}
	target, err := c.dialable("target", r.Target)
	if err != nil {
		return nil, nil, err
	}
	running, ok := c.records.get(k)
	if !ok || !stays(running.Snapshot()) {
		return nil, nil, fault(call.Conflict, "Call not found.")
	}
	if !running.Snapshot().CanTransfer() {
		return nil, nil, fault(call.Conflict, "the call is not connected, or is being transferred already")
	}
	if err := c.mayTransfer(running.Order().Agent.User, &target); err != nil {
		return nil, nil, err
	}
	party := c.orderParty(target)
	if !c.records.alias(running, transferredKey(running.Snapshot(), &party, call.Caller), transferKeep) {
		return nil, nil, fault(call.Conflict, "there is a call between target and called party already")
	}
	return running, &party, nil
}

// mayTransfer asks the policy: the target is called as any called party is, and counts as
// a call.
func (c *Control) mayTransfer(agent string, target *party) error {
	if err := c.allowed(agent, nil, target); err != nil {
		return err
	}
	if r := c.config.Policy.Take(agent); r != nil {
		return refused(r)
	}
	return nil
}

// transfer posts the wish and waits for what comes of it.
func transfer(ctx context.Context, running *engine.Running, replaced call.Leg, target *call.Party) error {
	taken := running.Post(call.Transfer{Leg: replaced, Target: target})
	ctx, stop := context.WithTimeout(ctx, transferWait)
	defer stop()
	_ = running.Await(ctx, func(c *call.Call) bool { // What is still open then is told by Status.
		t := c.Transferral()
		return !taken || c.Over() || c.Took(target) && (t.Target == nil || t.Ringing)
	})
	c := running.Snapshot()
	if !c.Took(target) {
		return fault(call.Conflict, "the call is not connected any more, or is being transferred already")
	}
	if o := c.Transferral().Failure; o != nil {
		return fault(call.Conflict, "the target did not take the call (%d, %s); the call goes on as it was", o.SIPCode, o.Result)
	}
	return nil
}
