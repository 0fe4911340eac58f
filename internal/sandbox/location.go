package sandbox

import (
	"slices"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/transport"
)

// maxContacts is how many contacts one user may have. A further one takes the place
// of the oldest: a phone that is started anew on another port leaves one behind.
const maxContacts = 8

// binding is one contact of a user (RFC 3261 section 10.3).
type binding struct {
	uri      sip.URI
	contact  string           // the URI as it came, which becomes the Request-URI
	flow     transport.Target // from where the REGISTER came
	instance string           // +sip.instance, "" when none was given
	callID   string
	seq      uint32
	expires  time.Time
}

// location knows the contacts of each user. Only names in the directory of users
// get here, so its size is bounded by that and maxContacts.
type location struct {
	mu     sync.Mutex
	byUser map[string][]binding // the one registered last stands last
}

// lookup gives the contacts of a user that have not expired, the one registered
// last first.
func (l *location) lookup(user string, now time.Time) []binding {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := slices.Clone(l.prune(user, now))
	slices.Reverse(live)
	return live
}

// prune forgets what has expired; l.mu is held.
func (l *location) prune(user string, now time.Time) []binding {
	live := slices.DeleteFunc(l.byUser[user], func(b binding) bool { return !now.Before(b.expires) })
	if len(live) == 0 {
		delete(l.byUser, user)
		return nil
	}
	l.byUser[user] = live
	return live
}

// byContact finds the contact that a Request-URI names.
func (l *location) byContact(u sip.URI, now time.Time) (binding, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, all := range l.byUser {
		for _, b := range all {
			if now.Before(b.expires) && sameContact(b.uri, u) {
				return b, true
			}
		}
	}
	return binding{}, false
}

// update replaces or adds contacts, and removes those that expire at once. It
// changes nothing and tells false when one of them was registered by a later
// REGISTER of the same Call-ID (section 10.3 step 7).
func (l *location) update(user string, changes []binding, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := l.prune(user, now)
	for _, c := range changes {
		if slices.ContainsFunc(live, func(b binding) bool { return b.replacedBy(c) && c.outdated(b) }) {
			return false
		}
	}
	for _, c := range changes {
		live = l.apply(live, c, now)
	}
	l.set(user, live)
	return true
}

// apply puts one change into the list.
func (l *location) apply(live []binding, c binding, now time.Time) []binding {
	at := slices.IndexFunc(live, func(b binding) bool { return b.replacedBy(c) })
	gone := !now.Before(c.expires)
	switch {
	case at >= 0 && gone:
		return slices.Delete(live, at, at+1)
	case at >= 0:
		live[at] = c // A refresh keeps its place.
		return live
	case gone:
		return live
	case len(live) == maxContacts:
		live = slices.Delete(live, 0, 1)
	}
	return append(live, c)
}

// removeAll forgets the contacts of a user: Contact "*".
func (l *location) removeAll(user, callID string, seq uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := binding{callID: callID, seq: seq}
	if slices.ContainsFunc(l.byUser[user], c.outdated) {
		return false
	}
	delete(l.byUser, user)
	return true
}

// removeFlow forgets a contact that a connection led to which is no more.
func (l *location) removeFlow(user string, flow transport.Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(user, slices.DeleteFunc(l.byUser[user], func(b binding) bool { return b.flow == flow }))
}

// set stores a list; l.mu is held.
func (l *location) set(user string, live []binding) {
	if len(live) == 0 {
		delete(l.byUser, user)
		return
	}
	if l.byUser == nil {
		l.byUser = make(map[string][]binding)
	}
	l.byUser[user] = live
}

// who names the user one of whose contacts has that address.
func (l *location) who(t transport.Target) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for user, all := range l.byUser {
		for _, b := range all {
			addr, numeric := b.uri.Addr()
			if b.flow == t || numeric && addr.Unmap() == t.Addr.Addr() && b.uri.Port == int(t.Addr.Port()) {
				return user
			}
		}
	}
	return ""
}

// replacedBy tells whether c registers the same contact: the same URI, or the same
// phone by its instance (RFC 5626 section 4.1).
func (b binding) replacedBy(c binding) bool {
	return sameContact(b.uri, c.uri) || b.instance != "" && b.instance == c.instance
}

// outdated tells whether b comes too late: known was registered by a later request
// of the same Call-ID. The same CSeq again is a retransmission, which is taken again.
func (b binding) outdated(known binding) bool { return b.callID == known.callID && b.seq < known.seq }

// sameContact compares two contacts by what decides where a request goes.
func sameContact(a, b sip.URI) bool {
	x, _ := a.Params.Get("transport")
	y, _ := b.Params.Get("transport")
	return a.Scheme == b.Scheme && a.User == b.User && strings.EqualFold(a.Host, b.Host) && a.Port == b.Port &&
		strings.EqualFold(x, y)
}
