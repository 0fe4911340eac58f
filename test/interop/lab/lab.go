// Package lab owns the real SIP programs that the interop tests call with: a
// Kamailio as registrar and proxy, four baresip phones, a linphone and scripted
// SIPp agents, all on 127.0.0.1, on ports that were free when it started, with
// all their files in one directory.
//
// The domain is Domain; it is in no DNS, so requests go to the address that
// Proxy gives. Every user N has the password of Password(N). ControllerUser may
// put anybody in From, every other user only himself.
//
// It never asserts anything and never touches a program that it did not start.
// Each lab has one goroutine of its own, which starts the programs, and one for
// each program, which waits for its end.
package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// Domain is the SIP domain of every user of the lab, and the digest realm.
const Domain = "lab.test"

// The users of the lab. The names say what the phone does.
const (
	ControllerUser = "200" // the account of the server under test; no phone

	BaresipA      = "201" // answers at once
	BaresipB      = "202" // answers at once
	BaresipManual = "203" // rings until Accept
	Linphone      = "204" // answers at once
	BaresipC      = "206" // answers at once
	Unregistered  = "208" // an account without a phone: 480
	Unknown       = "299" // no such user: 404

	AgentBusy        = "302" // 486 at once
	AgentNoAnswer    = "303" // rings; CANCEL gets 200 and 487
	AgentDecline     = "304" // rings, then 603
	AgentReferOK     = "306" // answers; REFER: 202, NOTIFY 100, 180, 200
	AgentRefer405    = "307" // answers; REFER: 405
	AgentRefer501    = "308" // answers; REFER: 501
	AgentRefer603    = "309" // answers; REFER: 603
	AgentReferSilent = "310" // answers; REFER: 202 and never a NOTIFY
	AgentDeaf        = "315" // no response whatever
)

// Password is the SIP password of a user.
func Password(user string) string { return "lab-" + user }

// URI is the address of record of a user.
func URI(user string) string { return "sip:" + user + "@" + Domain }

// Lab is a set of running SIP programs.
type Lab struct {
	dir    string
	procs  *Processes
	ports  *Ports
	proxy  *Proxy
	phones map[string]Phone
}

// Start brings the lab up in dir, with the programs run by procs, and waits until
// every phone is registered. On an error nothing of it is left but the files.
func Start(ctx context.Context, procs *Processes, dir string) (*Lab, error) {
	if err := missingPrograms(); err != nil {
		return nil, err
	}
	ports, err := ClaimPorts()
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, procs: procs, ports: ports, phones: make(map[string]Phone)}
	if err := l.start(ctx); err != nil {
		err = fmt.Errorf("start the lab: %w", err)
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	proxy, err := startProxy(ctx, l.procs, l.ports, filepath.Join(l.dir, "proxy"))
	if err != nil {
		return err
	}
	l.proxy = proxy
	if err := l.addPhones(); err != nil {
		return err
	}
	for _, p := range l.phones {
		if err := p.start(ctx); err != nil {
			return fmt.Errorf("start phone %s: %w", p.User(), err)
		}
	}
	return l.proxy.waitRegistered(ctx, l.Users())
}

func (l *Lab) addPhones() error {
	add := func(p Phone, err error) error {
		if err != nil {
			return err
		}
		l.phones[p.User()] = p
		return nil
	}
	for user, mode := range baresipPhones() {
		if err := add(newBaresip(l, user, mode)); err != nil {
			return err
		}
	}
	for _, s := range agentScripts() {
		if err := add(newAgent(l, s)); err != nil {
			return err
		}
	}
	return add(newLinphone(l, Linphone))
}

// Close ends every program of the lab and gives the ports back.
func (l *Lab) Close() error {
	for _, p := range l.phones {
		p.stop()
	}
	if l.proxy != nil {
		l.proxy.process.Stop()
	}
	return l.ports.Release()
}

// Proxy is the registrar and proxy.
func (l *Lab) Proxy() *Proxy { return l.proxy }

// Ports is where a test takes ports for the server under test from.
func (l *Lab) Ports() *Ports { return l.ports }

// Phone is the phone of a user, nil when the user has none.
func (l *Lab) Phone(user string) Phone { return l.phones[user] }

// Users are the users who have a phone, sorted.
func (l *Lab) Users() []string {
	users := make([]string, 0, len(l.phones))
	for user := range l.phones {
		users = append(users, user)
	}
	slices.Sort(users)
	return users
}

// phoneDir is where the files of a user's phone are.
func (l *Lab) phoneDir(user string) string { return filepath.Join(l.dir, "phone-"+user) }
