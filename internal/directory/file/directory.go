// Package file is the directory of users that is written in YAML: in a file of its
// own, or inside the configuration. It owns the form of that text and the look-up
// by name or alias; it does not decide what a user may do. It starts no goroutine:
// Reload runs on the goroutine of its caller.
//
// The file has one key, users, and under it one mapping a user:
//
//	users:
//	  - name: "201"                    # in the path of a request, and the login name
//	    aliases: [alice, a.smith]      # other names for the same user
//	    display_name: Alice Smith      # default: none
//	    identity: sales@example.com    # user@host in From; default: name@domain
//	    pin: "1234"                    # the HTTP password; without one the user cannot log in
//	    admin: true                    # may act for any user; default: false
//	    disabled: true                 # cannot log in; default: false
//	    sip:                           # default: the server's own account is used
//	      username: "201"              # default: the name
//	      password: secret             # or ha1, the hex digest of username:realm:password
//
// In the place of pin may stand hashes of it, one or both of
//
//	pin_ha1: [HA1, HA1]            # SHA-256 and MD5 of name:realm:PIN, in hex; for Digest and Basic
//	pin_hash: $argon2id$v=19$...   # PHC form; for Basic only
//
// Names and aliases are case-sensitive and share one name space.
package file

import (
	"sync"
	"sync/atomic"

	"callcontroller/internal/config/source"
	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/secret"
)

// Directory finds users. All its methods may be called at the same time; a look-up
// waits for nothing.
type Directory struct {
	path, domain string

	writing sync.Mutex // one Reload or Replace at a time
	current atomic.Pointer[snapshot]
}

// snapshot is one state of the directory, never changed after it is published.
type snapshot struct {
	byName    map[string]directory.User
	users     int
	costliest secret.Text // of the users' PINHash
	notes     []string
}

// Open reads the users file at path. The domain completes identities. The error is
// source.Faults when the file can be read but has mistakes.
func Open(path, domain string) (*Directory, error) {
	d := &Directory{path: path, domain: domain}
	if err := d.Reload(); err != nil {
		return nil, err
	}
	return d, nil
}

// FromUsers makes a directory of users that stand elsewhere, such as in the
// configuration. The error is source.Faults, without places.
func FromUsers(users []directory.User, domain string) (*Directory, error) {
	d := &Directory{domain: domain}
	if err := d.Replace(users); err != nil {
		return nil, err
	}
	return d, nil
}

// Lookup finds a user by name or alias.
func (d *Directory) Lookup(name string) (directory.User, bool) {
	user, ok := d.current.Load().byName[name]
	return user, ok
}

// Costliest gives the PINHash that takes most to compare with, or the empty text when
// no user has one.
func (d *Directory) Costliest() secret.Text { return d.current.Load().costliest }

// Len is the number of users.
func (d *Directory) Len() int { return d.current.Load().users }

// Notes are sentences about the users in force that belong in the log: the file
// can be read by others, or the form of the PINs gives something away.
func (d *Directory) Notes() []string { return d.current.Load().notes }

// Reload reads the file again. After an error, which is as that of Open, the old
// users stay in force. A directory that has no file stays as it is.
func (d *Directory) Reload() error {
	if d.path == "" {
		return nil
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	read, err := source.ReadFile(d.path)
	if err != nil {
		return err
	}
	users, err := parse(d.path, read.Text, d.domain)
	if err != nil {
		return err
	}
	next := newSnapshot(users)
	if read.Exposed != "" {
		next.notes = append(next.notes, read.Exposed)
	}
	d.current.Store(next)
	return nil
}

// Replace puts other users in force, under the same rules as FromUsers. After an
// error the old ones stay.
func (d *Directory) Replace(users []directory.User) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	var faults source.Faults
	for _, m := range check(users) {
		if m.first != nil {
			m.reason += " " + m.first.String()
		}
		faults = append(faults, source.Fault{Key: m.String(), Value: m.value, Reason: m.reason})
	}
	if err := faults.Err(); err != nil {
		return err
	}
	d.current.Store(newSnapshot(complete(users, d.domain)))
	return nil
}

func newSnapshot(users []directory.User) *snapshot {
	s := &snapshot{byName: make(map[string]directory.User, len(users)), users: len(users)}
	for _, user := range users {
		s.byName[user.Name] = user
		for _, alias := range user.Aliases {
			s.byName[alias] = user
		}
	}
	s.findCostliest(users)
	return s
}

func (s *snapshot) findCostliest(users []directory.User) {
	var most pin.Hash
	differ := false
	for _, user := range users {
		hash, err := pin.ParseHash(user.PINHash)
		if err != nil {
			continue // it has none: check has refused all that cannot be read
		}
		order := hash.Compare(most)
		differ = differ || order != 0 && !s.costliest.IsEmpty()
		if order > 0 {
			most, s.costliest = hash, user.PINHash
		}
	}
	if differ {
		s.notes = append(s.notes, "the pin_hash of some users asks for less work than that of others, "+
			"so the time of a refused log-in tells that they exist: set their PINs anew")
	}
}
