// Package sandbox owns a small SIP world for demonstrations and tests: a registrar
// and proxy for one domain (Proxy), simulated phones (Phone), and both together
// (Start). Real phones can register and call each other there.
//
// It never looks up a name, never relays to anything but the contacts of registered
// users and the parties of the dialogs that began through it, and by default to
// nothing outside this machine. Nothing is kept on disk.
//
// Goroutines: those of the transport for each socket, and of the timing wheel. None
// belongs to a call. Close ends them all and waits for them.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/timing"
)

// Options describe a sandbox. Demo gives those of the demonstration; what is zero
// has the default of ProxyOptions or PhoneOptions.
type Options struct {
	Domain     string
	Listen     string // HOST:PORT of the proxy, UDP and TCP; port 0 picks one
	Networks   []netip.Prefix
	Algorithms []string
	// Users are the accounts, those of Phones and Account included.
	Users []User
	// Phones are the simulated phones. Their password is that of the user of the
	// same name; Domain, Proxy, Wheel, Event, Net and Log are set by Start.
	Phones []PhoneOptions
	Trace  func(Traced)      // see ProxyOptions
	Event  func(line string) // see PhoneOptions
	Net    transport.Net
	Log    *slog.Logger
}

// Names in the demonstration. Nothing under .test is in the DNS (RFC 6761 section
// 6.2).
const (
	DemoDomain  = "demo.test"
	DemoAccount = "callcontroller" // the call controller's own account, trusted
)

// DemoPassword is the password of a user of the demonstration, for people to type.
func DemoPassword(user string) string { return "demo-" + user }

// Demo is the world of the demonstration, on loopback: 201 and 202 answer, 203 is
// busy, 204 rings for ever, 207 answers too; 205 and 206 are accounts for phones of
// the visitor. The
// controller's account has a password that nobody knows.
func Demo() Options {
	const ringTime, talkTime = 2 * time.Second, 20 * time.Second
	o := Options{Domain: DemoDomain}
	for _, name := range []string{"201", "202", "203", "204", "205", "206", "207"} {
		o.Users = append(o.Users, User{Name: name, Password: secret.New(DemoPassword(name))})
	}
	o.Users = append(o.Users, User{Name: DemoAccount, Password: secret.New(sip.NewCallID()), Trusted: true})
	for _, p := range []PhoneOptions{
		{User: "201", Behaviour: Answers},
		{User: "202", Behaviour: Answers},
		{User: "203", Behaviour: Busy},
		{User: "204", Behaviour: Silent},
		{User: "207", Behaviour: Answers},
	} {
		p.After, p.Talk = ringTime, talkTime
		o.Phones = append(o.Phones, p)
	}
	return o
}

// Sandbox is a proxy with phones. Use Start.
type Sandbox struct {
	proxy  *Proxy
	phones map[string]*Phone
	users  map[string]User
	wheel  *timing.Wheel
}

// Start opens the proxy and the phones and registers these. It returns when all are
// registered. ctx bounds only the start: what runs ends with Close.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{phones: make(map[string]*Phone), users: make(map[string]User), wheel: timing.New()}
	for _, u := range o.Users {
		s.users[u.Name] = u
	}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start the sandbox: %w", err), s.Close())
	}
	return s, nil
}

func (s *Sandbox) start(ctx context.Context, o Options) (err error) {
	s.proxy, err = NewProxy(ctx, ProxyOptions{
		Domain: o.Domain, Users: o.Users, Wheel: s.wheel, Listen: o.Listen, Networks: o.Networks,
		Algorithms: o.Algorithms, Trace: o.Trace, Net: o.Net, Log: o.Log,
	})
	if err != nil {
		return err
	}
	for _, p := range o.Phones {
		u, known := s.users[p.User]
		if !known {
			return fmt.Errorf("phone %q has no user of that name", p.User)
		}
		p.Password, p.Domain, p.Proxy, p.Wheel = u.Password, s.proxy.Domain(), s.reachable(), s.wheel
		p.Event, p.Net, p.Log = o.Event, o.Net, o.Log
		phone, err := NewPhone(ctx, p)
		if err != nil {
			return err
		}
		s.phones[p.User] = phone
		if err := phone.Register(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reachable is the proxy's address as phones of this machine use it.
func (s *Sandbox) reachable() netip.AddrPort {
	a := s.proxy.Addr()
	if !a.Addr().IsUnspecified() {
		return a
	}
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
}

// Close ends everything and waits for it. Phones that talk say nothing more.
func (s *Sandbox) Close() error {
	var errs []error
	for _, p := range s.phones {
		errs = append(errs, p.Close())
	}
	if s.proxy != nil {
		errs = append(errs, s.proxy.Close())
	}
	s.wheel.Close()
	return errors.Join(errs...)
}

// Proxy is the registrar and proxy.
func (s *Sandbox) Proxy() *Proxy { return s.proxy }

// URI is the address of the proxy for a setting such as sip.proxy.
func (s *Sandbox) URI() sip.URI {
	a := s.reachable()
	return sip.URI{Scheme: "sip", Host: sip.FormatHost(a.Addr()), Port: int(a.Port())}
}

// Phone is the simulated phone of a user, nil when there is none.
func (s *Sandbox) Phone(user string) *Phone { return s.phones[user] }

// User is an account; ok is false when there is none of that name.
func (s *Sandbox) User(name string) (u User, ok bool) {
	u, ok = s.users[name]
	return u, ok
}

// Who names the user whose registered contact has that address, "" for any other.
func (s *Sandbox) Who(t transport.Target) string { return s.proxy.location.who(t) }
