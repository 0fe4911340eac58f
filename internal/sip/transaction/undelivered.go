package transaction

import (
	"errors"
	"strings"

	"callcontroller/internal/sip"
)

// errUndelivered tells of an ICMP error.
var errUndelivered = errors.New("nobody is there (ICMP)")

// Undelivered takes the beginning of a request of ours that came back by ICMP. A first
// INVITE goes to the next hop that is left, or fails; nobody else can know its branch.
// All else is repeated as ever: inside a dialog a proxy that is just starting again
// would cost the call.
func (l *Layer) Undelivered(data []byte) {
	method, branch := quoted(string(data))
	if method != sip.INVITE || branch == "" {
		return
	}
	c, ok := l.clients.get(clientKey{branch, method})
	if !ok {
		return
	}
	c.mu.Lock()
	first := c.state == calling && c.req != nil && c.req.ToTag() == ""
	c.mu.Unlock()
	if first {
		c.SendFailed(errUndelivered)
	}
}

// quoted reads the method and the branch of the top Via of a request that may be cut
// anywhere.
func quoted(text string) (method, branch string) {
	method, _, _ = strings.Cut(text, " ")
	_, rest, ok := strings.Cut(text, "\r\nVia: ")
	if !ok {
		return "", ""
	}
	line, _, whole := strings.Cut(rest, "\r\n")
	_, branch, ok = strings.Cut(line, "branch=")
	if !ok || !whole {
		return "", ""
	}
	branch, _, _ = strings.Cut(branch, ";")
	return method, branch
}
