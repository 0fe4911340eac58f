package control

import (
	"time"

	"callcontroller/internal/engine"
)

// Restore takes in a call of the process before this one, as Place has taken it there: it
// is found again by the old interface for as long as was asked for, and counts in the
// limits as long as it lives.
func (c *Control) Restore(running *engine.Running) {
	snapshot := running.Snapshot()
	if !snapshot.Over() {
		c.config.Policy.Began(snapshot.Order.Agent.User, running)
	}
	keep := snapshot.Order.Keep // What is left of it is all of it, when the clock was set back.
	left := min(keep, max(0, time.Until(snapshot.Order.Placed.Time().Add(keep))))
	if snapshot.Over() && left == 0 {
		running.Forget()
		return
	}
	caller, callee := snapshot.Parties()
	if !c.records.alias(running, key{snapshot.Order.Agent.URI, caller.URI, callee.URI}, left) {
		running.Forget()
	}
}
