package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// linphonePorts are its SIP port and, after it, those of RTP and RTCP.
const linphonePorts = 4

// linphone is a linphone-daemon, driven by lines on its standard input. Its own
// command "call-status" knows only the current call, not one on hold, so the
// calls are followed in the events that it prints.
type linphone struct {
	user string
	lab  *Lab
	port int
	dir  string

	process *Process
}

func newLinphone(l *Lab, user string) (Phone, error) {
	port, err := l.ports.Take(linphonePorts)
	if err != nil {
		return nil, err
	}
	return &linphone{user: user, lab: l, port: port, dir: l.phoneDir(user)}, nil
}

func (p *linphone) User() string  { return p.user }
func (p *linphone) Trace() string { return filepath.Join(p.dir, "sip.log") }

// start also begins with an empty trace and no call history.
func (p *linphone) start(ctx context.Context) error {
	if err := p.lab.proxy.forget(ctx, p.user); err != nil {
		return err
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("clean the directory of phone %s: %w", p.user, err)
	}
	// liblinphone opens its data base there, and does not make the directories.
	if err := os.MkdirAll(filepath.Join(p.dir, ".local", "share", "linphone"), 0o750); err != nil {
		return fmt.Errorf("make the directory of phone %s: %w", p.user, err)
	}
	config := filepath.Join(p.dir, "linphonerc")
	if err := writeFile(config, "linphonerc.tmpl", map[string]any{
		"User": p.user, "Password": Password(p.user), "Domain": Domain,
		"Proxy": p.lab.proxy.Address(), "Port": p.port, "RTP": p.port + 2,
	}); err != nil {
		return err
	}
	process, err := p.lab.procs.Start(Spec{
		Log: filepath.Join(p.dir, "events.log"), Dir: p.dir, Input: true,
		Env:  []string{"HOME=" + p.dir, "XDG_RUNTIME_DIR=" + p.dir, "TERM=dumb"},
		Args: []string{"linphone-daemon", "--config", config, "--log", p.Trace(), "--disable-stats-events", "--auto-answer"},
	})
	p.process = process
	return err
}

func (p *linphone) stop() {
	if p.process != nil {
		p.process.Stop()
	}
}

func (p *linphone) running() bool { return p.process != nil && p.process.Err() == nil }

func (p *linphone) Dial(_ context.Context, uri string) error { return p.process.Write("call " + uri) }

func (p *linphone) Accept(context.Context) error { return p.process.Write("answer") }

func (p *linphone) Hold(context.Context) error { return p.each("call-pause") }

func (p *linphone) Resume(context.Context) error { return p.each("call-resume") }

// linphoneRate reads the bit rate that arrives, in kbit/s, in what the phone logs once
// a second: "Stream #0 (audio) | cpu: 0.86% | RTP : [d=73.69,u=0.77] RTCP: ...". The
// daemon's own command for it ends the daemon.
var linphoneRate = regexp.MustCompile(`\(audio\) .*? RTP : \[d=([0-9.]+),`)

func (p *linphone) Hears(context.Context) (bool, error) {
	rates := linphoneRate.FindAllStringSubmatch(TailFrom(p.Trace(), 0), -1)
	if len(rates) == 0 {
		return false, fmt.Errorf("linphone %s has logged no bit rate", p.user)
	}
	rate, err := strconv.ParseFloat(rates[len(rates)-1][1], 64)
	return rate > 1, err // Less is what the two say about the way between them.
}

// each runs a command about every call.
func (p *linphone) each(command string) error {
	calls, err := p.followEvents()
	if err != nil {
		return err
	}
	for _, c := range calls {
		if err := p.process.Write(command + " " + c.id); err != nil {
			return err
		}
	}
	return nil
}

func (p *linphone) Hangup(context.Context) error { return p.each("terminate") }

func (p *linphone) Calls(context.Context) ([]Call, error) {
	if err := p.process.Err(); err != nil {
		return nil, err
	}
	found, err := p.followEvents()
	if err != nil {
		return nil, err
	}
	calls := make([]Call, 0, len(found))
	for _, c := range found {
		calls = append(calls, c.Call)
	}
	return calls, nil
}

type linphoneCall struct {
	id string
	Call
}

// linphoneEvent is what the daemon prints when a call changes.
var linphoneEvent = regexp.MustCompile(`(?m)Event: LinphoneCall(\w+)\r?\nFrom: (.*?)\r?\nId: (\d+)`)

// followEvents returns the calls that have not ended, the oldest first.
func (p *linphone) followEvents() ([]linphoneCall, error) {
	text, err := os.ReadFile(p.process.Log())
	if err != nil {
		return nil, fmt.Errorf("read the events of linphone %s: %w", p.user, err)
	}
	var calls []linphoneCall
	for _, m := range linphoneEvent.FindAllStringSubmatch(string(text), -1) {
		state, peer, id := m[1], strings.Trim(m[2], "<>"), m[3]
		i := slices.IndexFunc(calls, func(c linphoneCall) bool { return c.id == id })
		switch over := state == "End" || state == "Released" || state == "Error"; {
		case over && i >= 0:
			calls = slices.Delete(calls, i, i+1)
		case over:
		case i < 0:
			if strings.HasPrefix(state, "Outgoing") {
				peer = "" // the event names the phone itself
			}
			calls = append(calls, linphoneCall{id, Call{State: state, Peer: peer}})
		default:
			calls[i].State, calls[i].Talking = state, state == "StreamsRunning"
		}
	}
	return calls, nil
}
