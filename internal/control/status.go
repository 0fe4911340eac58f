package control

import (
	"context"

	"callcontroller/internal/auth"
	"callcontroller/internal/engine"
)

// StatusRequest names a call by its agent and parties, as they were when it was
// placed.
type StatusRequest struct {
	Agent   string // user name or alias; "" for the calling party's user name
	Calling string
	Called  string
}

// Status gives the call that was placed last with that agent and these parties, as
// it stands, or false when there is none (any more).
// A host that may not be called is no error here: there is no such call. The error's
// kind is Invalid, Denied, BadUser or OutOfScope.
func (c *Control) Status(_ context.Context, p auth.Principal, r StatusRequest) (*engine.Running, bool, error) {
	k, err := c.key(p, r)
	if err != nil {
		c.looked(p, r, err)
		return nil, false, err
	}
	running, ok := c.records.get(k)
	if !ok {
		return nil, false, nil
	}
	return running, true, nil
}

func (c *Control) key(p auth.Principal, r StatusRequest) (key, error) {
	if err := Permit(p, ToSee); err != nil {
		return key{}, err
	}
	return c.find(p, r)
}

// find makes the key of a record.
func (c *Control) find(p auth.Principal, r StatusRequest) (key, error) {
	calling, err := parseParty("calling party", r.Calling, c.config.Domain)
	if err != nil {
		return key{}, err
	}
	called, err := parseParty("called party", r.Called, c.config.Domain)
	if err != nil {
		return key{}, err
	}
	agent, err := c.agentFor(p, r.Agent, calling)
	if err != nil {
		return key{}, err
	}
	return key{agent.uri, calling.uri, called.uri}, nil
}
