package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How a baresip phone treats a call that comes in.
type answerMode string

const (
	answerAtOnce answerMode = "auto"
	answerByHand answerMode = "manual"
)

// Offsets in a phone's ports. baresip takes its SIP port for UDP and TCP and the
// port after it for TLS.
const (
	baresipControl = 2
	baresipRTP     = 4
	baresipPorts   = 44
)

func baresipPhones() map[string]answerMode {
	return map[string]answerMode{
		BaresipA: answerAtOnce, BaresipB: answerAtOnce, BaresipC: answerAtOnce, BaresipManual: answerByHand,
	}
}

// baresip is a phone that is driven by netstrings with JSON over TCP (module
// ctrl_tcp). It serves one control connection at a time.
type baresip struct {
	user string
	mode answerMode
	lab  *Lab
	port int
	dir  string

	process *Process
	control sync.Mutex // held during a command
}

func newBaresip(l *Lab, user string, mode answerMode) (Phone, error) {
	port, err := l.ports.Take(baresipPorts)
	if err != nil {
		return nil, err
	}
	return &baresip{user: user, mode: mode, lab: l, port: port, dir: l.phoneDir(user)}, nil
}

func (b *baresip) User() string  { return b.user }
func (b *baresip) Trace() string { return filepath.Join(b.dir, "sip.log") }

func (b *baresip) start(ctx context.Context) error {
	if err := b.lab.proxy.forget(ctx, b.user); err != nil {
		return err
	}
	if err := b.writeFiles(); err != nil {
		return err
	}
	process, err := b.lab.procs.Start(Spec{
		Log: b.Trace(), Dir: b.dir, Args: []string{"baresip", "-4", "-s", "-f", b.dir},
	})
	b.process = process
	return err
}

func (b *baresip) stop() {
	if b.process != nil {
		b.process.Stop()
	}
}

func (b *baresip) running() bool { return b.process != nil && b.process.Err() == nil }

func (b *baresip) writeFiles() error {
	if err := os.MkdirAll(b.dir, 0o750); err != nil {
		return fmt.Errorf("make the directory of phone %s: %w", b.user, err)
	}
	modules, err := baresipModules()
	if err != nil {
		return err
	}
	data := map[string]any{
		"User": b.user, "Password": Password(b.user), "Domain": Domain, "Answer": b.mode,
		"Proxy": b.lab.proxy.Address(), "SIP": loopback(b.port), "Control": loopback(b.port + baresipControl),
		"FirstRTP": b.port + baresipRTP, "LastRTP": b.port + baresipPorts - 1, "Modules": modules,
	}
	for file, from := range map[string]string{
		"config": "baresip.config.tmpl", "accounts": "baresip.accounts.tmpl", "contacts": "baresip.contacts.tmpl",
	} {
		if err := writeFile(filepath.Join(b.dir, file), from, data); err != nil {
			return err
		}
	}
	return nil
}

// baresipModules finds the directory of the modules; newer packages have it
// below the directory of the machine's architecture.
func baresipModules() (string, error) {
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // the patterns are well formed
			return found[0], nil
		}
	}
	return "", errors.New("find the modules of baresip: no directory baresip/modules under /usr/lib")
}

func (b *baresip) Dial(ctx context.Context, uri string) error {
	_, err := b.command(ctx, "dial", uri)
	return err
}

func (b *baresip) Accept(ctx context.Context) error {
	_, err := b.command(ctx, "accept", "")
	return err
}

func (b *baresip) Hold(ctx context.Context) error {
	_, err := b.command(ctx, "hold", "")
	return err
}

func (b *baresip) Resume(ctx context.Context) error {
	_, err := b.command(ctx, "resume", "")
	return err
}

// baresipReceived reads how many RTP packets have come, in what audio_debug prints.
var baresipReceived = regexp.MustCompile(`rcvd=(\d+)`)

// sample is how long packets are counted to tell whether there are any: 50 come in a
// second.
const sample = 300 * time.Millisecond

func (b *baresip) Hears(ctx context.Context) (bool, error) {
	before, err := b.received(ctx)
	if err != nil {
		return false, err
	}
	select {
	case <-time.After(sample):
	case <-ctx.Done():
		return false, ctx.Err()
	}
	after, err := b.received(ctx)
	return after > before+1, err
}

// received is 0 as long as nobody has sent.
func (b *baresip) received(ctx context.Context) (int, error) {
	text, err := b.command(ctx, "audio_debug", "")
	if err != nil {
		return 0, err
	}
	m := baresipReceived.FindStringSubmatch(text)
	if m == nil {
		return 0, nil
	}
	return strconv.Atoi(m[1])
}

// Hangup ends the current call, as often as there are calls.
func (b *baresip) Hangup(ctx context.Context) error {
	calls, err := b.Calls(ctx)
	if err != nil {
		return err
	}
	for range calls {
		if _, err := b.command(ctx, "hangup", ""); err != nil {
			return err
		}
	}
	return nil
}

// baresipCall reads one line of the command listcalls, for example
// "> [line 1]  0:00:02  ESTABLISHED             sip:202@lab.test".
var baresipCall = regexp.MustCompile(`(?m)\d+:\d\d:\d\d\s+([A-Z][A-Z ]*?)\s+(?:\S.*)?(sips?:\S+)`)

func (b *baresip) Calls(ctx context.Context) ([]Call, error) {
	text, err := b.command(ctx, "listcalls", "")
	if err != nil {
		return nil, err
	}
	var calls []Call
	for _, m := range baresipCall.FindAllStringSubmatch(text, -1) {
		calls = append(calls, Call{State: m[1], Peer: m[2], Talking: m[1] == "ESTABLISHED"})
	}
	if want := "(" + strconv.Itoa(len(calls)) + ")"; !strings.Contains(text, want) {
		return nil, fmt.Errorf("read the calls of baresip %s: no %s in %q", b.user, want, text)
	}
	return calls, nil
}

// command runs a command of the phone and returns what it prints.
func (b *baresip) command(ctx context.Context, name, argument string) (string, error) {
	b.control.Lock()
	defer b.control.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text, err := b.exchange(ctx, name, argument)
	if err != nil {
		return "", fmt.Errorf("baresip %s: command %s: %w", b.user, name, err)
	}
	return text, nil
}

func (b *baresip) exchange(ctx context.Context, name, argument string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", loopback(b.port+baresipControl))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	message, err := json.Marshal(map[string]string{"command": name, "params": argument})
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%d:%s,", len(message), message); err != nil {
		return "", err
	}
	return readResponse(bufio.NewReader(conn))
}

// terminalCodes are the colours in what a phone prints.
var terminalCodes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// readResponse passes over the events until the response to a command.
func readResponse(r *bufio.Reader) (string, error) {
	for {
		message, err := readNetstring(r)
		if err != nil {
			return "", err
		}
		var answer struct {
			Response bool
			OK       bool
			Data     string
		}
		if err := json.Unmarshal(message, &answer); err != nil {
			return "", err
		}
		if !answer.Response {
			continue
		}
		text := terminalCodes.ReplaceAllString(answer.Data, "")
		if !answer.OK {
			return "", fmt.Errorf("refused: %s", strings.TrimSpace(text))
		}
		return text, nil
	}
}
