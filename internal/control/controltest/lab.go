// Package controltest has what tests of the use cases, and of the interfaces above
// them, need: a Control on a real engine, signalling that records and can be
// played, and a few users. It starts no goroutine but the wheel's, which ends with
// the test.
package controltest

import (
	"log/slog"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/directory"
	"callcontroller/internal/engine"
	"callcontroller/internal/policy"
	"callcontroller/internal/secret"
	"callcontroller/internal/timing"
)

// Domain is the SIP domain of the lab, Partner a host besides it that may be called.
const (
	Domain  = "example.com"
	Partner = "partner.test:5080"
)

// Lab is a Control and what it stands on.
type Lab struct {
	*control.Control
	Engine  *engine.Engine
	Wheel   *timing.Wheel
	Signals *Signaller
}

// New makes a lab. change may alter the configuration, and be nil.
func New(tb testing.TB, change func(*control.Config)) *Lab {
	tb.Helper()
	l := &Lab{Wheel: timing.New(), Signals: &Signaller{}}
	tb.Cleanup(l.Wheel.Close)
	l.Engine = engine.New(l.Signals, l.Wheel, slog.New(slog.DiscardHandler))
	config := control.Config{
		Engine: l.Engine, Wheel: l.Wheel, Directory: People(), Domain: Domain,
		Hosts: policy.NewHosts(Domain, []string{Partner}),
	}
	if change != nil {
		change(&config)
	}
	l.Control = control.New(config)
	return l
}

// Users is a directory in memory, by name and alias.
type Users map[string]directory.User

// Lookup finds a user.
func (u Users) Lookup(name string) (directory.User, bool) {
	user, ok := u[name]
	return user, ok
}

// Costliest tells that no PIN of the lab is an argon2id hash.
func (u Users) Costliest() secret.Text { return secret.Text{} }

// People are the users of the lab: 201 with the alias alice, 202 with the alias bob,
// 203 whose identity is another address, 204 who has no PIN, and one in Unicode.
func People() Users {
	users := Users{}
	for _, u := range []directory.User{
		{Name: "201", Aliases: []string{"alice"}, DisplayName: "Alice", Identity: "201@" + Domain, PIN: secret.New("1234")},
		{Name: "202", Aliases: []string{"bob"}, Identity: "202@" + Domain, PIN: secret.New("5678")},
		{Name: "203", DisplayName: "Sales", Identity: "sales#1@shop.test", PIN: secret.New("9012")},
		{Name: "204", Identity: "204@" + Domain},
		{Name: "zoë", Identity: "zoë@" + Domain, PIN: secret.New("пин")},
	} {
		users[u.Name] = u
		for _, alias := range u.Aliases {
			users[alias] = u
		}
	}
	return users
}

// Await waits until a call is as ok wants it.
func (l *Lab) Await(tb testing.TB, r *engine.Running, ok func(*call.Call) bool) {
	tb.Helper()
	if err := r.Await(tb.Context(), ok); err != nil {
		tb.Fatal(err)
	}
}
