// Package audit owns the record of who wanted what: which user asked from where to call
// whom, and whether that was allowed. It is a file of its own, one JSON object a line,
// apart from the log, which tells how the program fares and may be turned down.
//
// The file is opened to append and never read, cut or removed; Reopen is for those who
// rotate it. A line is written whole by one system call before the request is answered.
// When that fails, the request goes on and the log says so. The package starts no
// goroutine.
package audit

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// What is recorded.
const (
	CallPlaced      = "call.placed"
	CallRefused     = "call.refused"
	TransferPlaced  = "transfer.placed"
	TransferRefused = "transfer.refused"
	LoginRefused    = "login.refused"
	CallHungUp      = "call.hung_up"   // by its name
	StatusRefused   = "status.refused" // a look at somebody else's call
	Reloaded        = "reloaded"       // users, policy and tokens
)

// refusalsPerSecond is how many refused log-ins have a line of their own; more are
// counted.
const refusalsPerSecond = 20

// Entry is one line. Texts are as they were asked for; none is a secret.
type Entry struct {
	Time    string     `json:"time"`              // RFC 3339, milliseconds, UTC; set by Record
	Event   string     `json:"event"`             // one of those above
	User    string     `json:"user,omitempty"`    // who has logged in, or tried to
	Admin   bool       `json:"admin,omitempty"`   // who may act for all
	Trusted bool       `json:"trusted,omitempty"` // came from a trusted network, without a password
	Token   string     `json:"token,omitempty"`   // the ID of the token by which he has logged in; "" for none
	Source  netip.Addr `json:"source,omitzero"`   // the address of the client
	Agent   string     `json:"agent,omitempty"`   // on whose behalf
	Calling string     `json:"calling,omitempty"`
	Called  string     `json:"called,omitempty"`
	Target  string     `json:"target,omitempty"` // of a transfer
	Method  string     `json:"method,omitempty"` // of call set-up
	Call    string     `json:"call,omitempty"`   // the call's name, as in the log
	Reason  string     `json:"reason,omitempty"` // why not, as the client was told
	Rule    string     `json:"rule,omitempty"`   // of the policy, that says so
	More    int        `json:"more,omitempty"`   // refused log-ins since the last line that have none of their own
}

// Log is the record. A nil Log keeps none. All methods may be called at the same time.
type Log struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *os.File
	failing bool // the last line could not be written
	logins  logins
}

// Open opens the file at path, and makes it when there is none, readable for its owner
// only. Trouble with single lines goes to log.
func Open(path string, log *slog.Logger) (*Log, error) {
	l := &Log{path: path, log: log}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return l, l.Reopen()
}

// Reopen goes on in the file that has the name now. On an error it goes on in the old.
func (l *Log) Reopen() error {
	if l == nil {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.file
	l.file = f
	l.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// Record writes one entry.
func (l *Log) Record(e Entry) {
	if l == nil {
		return
	}
	now := time.Now()
	e.Time = now.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Event == LoginRefused {
		var write bool
		if e.More, write = l.logins.refused(now); !write {
			return
		}
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = l.file.Write(append(line, '\n'))
	}
	if err != nil && !l.failing {
		l.log.Error("the audit file cannot be written; requests go on without", "file", l.path, "error", err)
	}
	l.failing = err != nil
}

// logins keeps who guesses passwords from filling the disk: above a rate lines are only
// counted. l.mu is held.
type logins struct {
	second  int64 // Unix time
	written int   // in it
	more    int   // not written since the last line
}

// refused tells whether the line is written, and how many before it were not.
func (l *logins) refused(now time.Time) (more int, write bool) {
	if s := now.Unix(); s != l.second {
		l.second, l.written = s, 0
	}
	if l.written >= refusalsPerSecond {
		l.more++
		return 0, false
	}
	l.written++
	more, l.more = l.more, 0
	return more, true
}
