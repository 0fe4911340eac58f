package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"callcontroller/internal/config/source"
	"callcontroller/internal/policy"
)

// Policy limits who can be called, when, and how often.
type Policy struct {
	Hosts    []HostPort             // policy.hosts: SIP hosts that may be called besides sip.domain, at that port; without one at 5060 or where DNS says; default none
	Timezone string                 // policy.timezone: IANA name of the zone of hours and days; default "": the system's
	Default  policy.Set             // policy.default: for every user; default: no limits
	Users    map[string]*policy.Set // policy.users: for one user; what it does not say is as in policy.default
}

// Zone is the time zone of the policy.
func (p *Policy) Zone() *time.Location {
	zone, err := time.LoadLocation(p.Timezone)
	if err != nil || p.Timezone == "" {
		return time.Local //nolint:gosmopolitan // the system's time zone is the default
	}
	return zone
}

func timezone(text string) (string, error) {
	if _, err := time.LoadLocation(text); err != nil {
		return "", errors.New("must be the name of a time zone, such as Europe/Berlin")
	}
	return text, nil
}

// policyFields are the keys of one set of rules.
func policyFields(at string, s *policy.Set) []field {
	const most = 1_000_000
	return []field{
		many(at+".calling.allow", &s.Calling.Allow, policy.ParsePattern),
		many(at+".calling.deny", &s.Calling.Deny, policy.ParsePattern),
		many(at+".called.allow", &s.Called.Allow, policy.ParsePattern),
		many(at+".called.deny", &s.Called.Deny, policy.ParsePattern),
		one(at+".calls_per_minute", &s.PerMinute, number(0, most)),
		one(at+".calls_at_once", &s.AtOnce, number(0, most)),
		one(at+".calls_per_day", &s.PerDay, number(0, most)),
		many(at+".hours", &s.Hours, policy.ParseWindow),
	}
}

const policyUsers = "policy.users"

// applyPolicy reads the rules of single users, when those of all are known.
func (l *loader) applyPolicy(n *yaml.Node) {
	users := map[string]*policy.Set{}
	for _, user := range l.doc.Entries(n, policyUsers) {
		set := l.config.Policy.Default
		users[user.Name] = &set
		if !source.IsNull(user.Content) {
			l.applyPart(user.Content, user.Path, policyFields(user.Path, &set))
		}
	}
	l.config.Policy.Users = users
}

// dumpPolicies gives the rules of single users as YAML has them.
func (c *Config) dumpPolicies() *yaml.Node {
	all := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(c.Policy.Users)) {
		user := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range policyFields("", c.Policy.Users[name]) {
			_ = put(user, strings.TrimPrefix(f.key, "."), f.show(), "") // texts and numbers can be encoded
		}
		all.Content = append(all.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name, Style: yaml.DoubleQuotedStyle}, user)
	}
	return all
}
