package control

import (
	"strings"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/directory"
	"callcontroller/internal/sip"
)

// agent is the user on whose behalf a call is placed.
type agent struct {
	directory.User
	uri string // of the identity
}

// agentFor finds the agent of a request, by name or alias, and checks that the
// principal may act for him. Without a name the calling party is its own agent.
// Aliases are resolved before anything is compared, so the user who was checked is
// the user who acts (row Z03).
func (c *Control) agentFor(p auth.Principal, name string, calling party) (agent, error) {
	if name == "" {
		name = calling.user
	} else if reason := checkUser(name); reason != "" {
		return agent{}, invalid("agent %q %s", clip(name), reason)
	}
	user, ok := c.config.Directory.Lookup(name)
	if !p.Trusted && !p.Admin && (!ok || p.Name != user.Name) {
		// The same for a name that is nobody's: who may not act for others need not
		// learn who they are.
		return agent{}, fault(call.NotAgent, "Agent does not match principal")
	}
	if !ok {
		return agent{}, fault(call.BadUser, "could not find credentials for %s", name)
	}
	local, host, ok := strings.Cut(user.Identity, "@")
	if !ok {
		return agent{}, fault(call.Internal, "the identity %q of user %s is not user@host", user.Identity, user.Name)
	}
	return agent{User: user, uri: "sip:" + sip.EscapeUser(local) + "@" + host}, nil
}
