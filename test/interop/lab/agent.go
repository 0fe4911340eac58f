package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// agentPorts are an agent's SIP port, its control port, and four of RTP.
const agentPorts = 6

// script says what a SIPp agent does. Statuses are as in a status line, without
// the version: "486 Busy Here".
type script struct {
	User      string
	Deaf      bool   // no response whatever
	Rings     int    // milliseconds from the 180 to what follows; 0: no 180
	Cancelled bool   // rings until CANCEL
	Refuses   string // final status of the INVITE; empty: it answers
	Refer     string // status of a REFER
	Reports   []report
}

// report is a NOTIFY that follows an accepted REFER.
type report struct {
	CSeq         int
	Status       string
	Subscription string
	Last         bool
}

func agentScripts() []script {
	const rings = 200
	answers := func(user, refer string, reports ...report) script {
		return script{User: user, Rings: rings, Refer: refer, Reports: reports}
	}
	return []script{
		{User: AgentBusy, Refuses: "486 Busy Here"},
		{User: AgentNoAnswer, Rings: rings, Cancelled: true},
		{User: AgentDecline, Rings: rings, Refuses: "603 Decline"},
		{User: AgentDeaf, Deaf: true},
		answers(AgentRefer405, "405 Method Not Allowed"),
		answers(AgentRefer501, "501 Not Implemented"),
		answers(AgentRefer603, "603 Decline"),
		answers(AgentReferSilent, "202 Accepted"),
		answers(AgentReferOK, "202 Accepted",
			report{CSeq: 1, Status: "100 Trying", Subscription: "active;expires=60"},
			report{CSeq: 2, Status: "180 Ringing", Subscription: "active;expires=60"},
			report{CSeq: 3, Status: "200 OK", Subscription: "terminated;reason=noresource", Last: true},
		),
	}
}

// agent is a SIPp that plays a script for each call. SIPp cannot register, so
// the agent is entered at the proxy. It cannot be asked for its calls either:
// they are followed in its trace.
type agent struct {
	script script
	lab    *Lab
	port   int
	dir    string

	process *Process
}

func newAgent(l *Lab, s script) (Phone, error) {
	port, err := l.ports.Take(agentPorts)
	if err != nil {
		return nil, err
	}
	return &agent{script: s, lab: l, port: port, dir: l.phoneDir(s.User)}, nil
}

func (a *agent) User() string  { return a.script.User }
func (a *agent) Trace() string { return filepath.Join(a.dir, "sip.log") }

func (a *agent) start(ctx context.Context) error {
	if err := os.MkdirAll(a.dir, 0o750); err != nil {
		return fmt.Errorf("make the directory of agent %s: %w", a.User(), err)
	}
	scenario := filepath.Join(a.dir, "script.xml")
	if err := writeFile(scenario, "agent.xml.tmpl", a.script); err != nil {
		return err
	}
	if err := os.WriteFile(a.Trace(), nil, 0o600); err != nil {
		return fmt.Errorf("empty the trace of agent %s: %w", a.User(), err)
	}
	process, err := a.lab.procs.Start(Spec{
		Log: filepath.Join(a.dir, "screen.log"), Dir: a.dir,
		Args: []string{
			"sipp", "-sf", scenario, "-s", a.User(), "-i", "127.0.0.1", "-p", strconv.Itoa(a.port),
			"-cp", strconv.Itoa(a.port + 1), "-mi", "127.0.0.1", "-mp", strconv.Itoa(a.port + 2), "-nostdin",
			"-trace_msg", "-message_file", a.Trace(), "-trace_err", "-error_file", filepath.Join(a.dir, "errors.log"),
		},
	})
	if err != nil {
		return err
	}
	a.process = process
	if err := a.waitBound(ctx); err != nil {
		return err
	}
	return a.lab.proxy.enroll(ctx, a.User(), "sip:"+a.User()+"@"+loopback(a.port))
}

// waitBound waits until SIPp has its UDP port. It asks the kernel: to try the
// port would keep SIPp from taking it.
func (a *agent) waitBound(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return Poll(ctx, func() error {
		if err := a.process.Err(); err != nil {
			return fmt.Errorf("%w\n%s", err, TailFrom(a.process.Log(), 0))
		}
		sockets, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			return fmt.Errorf("list the UDP sockets: %w", err)
		}
		if !strings.Contains(string(sockets), fmt.Sprintf(": 0100007F:%04X ", a.port)) {
			return fmt.Errorf("sipp does not listen on port %d", a.port)
		}
		return nil
	})
}

func (a *agent) stop() {
	if a.process != nil {
		a.process.Stop()
	}
}

func (a *agent) running() bool { return a.process != nil && a.process.Err() == nil }

func (a *agent) Calls(context.Context) ([]Call, error) {
	if err := a.process.Err(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(a.Trace())
	if err != nil {
		return nil, fmt.Errorf("read the trace of agent %s: %w", a.User(), err)
	}
	return callsInTrace(string(text)), nil
}

// Hangup starts the agent again, with an empty trace: SIPp drops its calls by no
// other way.
func (a *agent) Hangup(ctx context.Context) error {
	a.stop()
	return a.start(ctx)
}
