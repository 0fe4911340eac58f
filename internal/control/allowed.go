package control

import (
	"cmp"
	"errors"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/policy"
)

// allowed asks the policy whether an agent may place a call between two parties now; a
// nil calling or called party is not asked for.
func (c *Control) allowed(agent string, calling, called *party) error {
	rules := c.config.Policy
	if calling != nil {
		if r := rules.CheckCalling(agent, calling.dialled()); r != nil {
			return refused(r)
		}
	}
	if r := rules.CheckCalled(agent, called.dialled()); r != nil {
		return refused(r)
	}
	if r := rules.CheckHours(agent); r != nil {
		return refused(r)
	}
	return nil
}

// dialled is the party as the policy sees it.
func (p *party) dialled() policy.Party { return policy.Party{User: p.user, Host: p.host} }

func refused(r *policy.Refusal) error {
	kind := call.Denied
	if r.Limit {
		kind = call.Limited
	}
	return &call.Error{Kind: kind, Text: r.Text, Rule: r.Rule, RetryAfter: r.RetryAfter}
}

// tellRefused tells of a call that a rule has refused. What is refused for other reasons is
// a mistake of who asks, or a trouble of ours, and no call.
func (c *Control) tellRefused(o *call.Order, id call.ID, err error) {
	fault, ok := errors.AsType[*call.Error](err)
	if c.config.Refused == nil || o == nil || !ok || fault.Rule == "" {
		return
	}
	refused := call.New(cmp.Or(id, NewID()), o)
	refused.State, refused.Ended = call.Ended, call.StampOf(time.Now())
	refused.Outcome = call.Outcome{Result: call.Blocked, EndedBy: call.ByServer}
	c.config.Refused(&refused)
}
