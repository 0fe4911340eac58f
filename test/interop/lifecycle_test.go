package interop

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"callcontroller/test/interop/lab"
)

// ringTheCalledParty places a call from a phone to one that nobody answers, so
// that the server holds the calling party's leg.
func ringTheCalledParty(t *testing.T, l *lab.Lab, server *server) placed {
	t.Helper()
	call := server.place(t, lab.BaresipA, lab.BaresipManual, nil)
	call.wantRows(patience, answered.then("NOTIFY 100"))
	rings(t, l, lab.BaresipManual, lab.BaresipA)
	return call
}

// legToServer tells whether the phone has the call that the server placed: its
// peer is the agent, here the phone's own user.
func legToServer(t *testing.T, l *lab.Lab, user string) bool {
	t.Helper()
	calls, err := l.Phone(user).Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(calls, func(c lab.Call) bool { return c.Peer == lab.URI(user) })
}

func TestX15LetsACallFinish(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipManual)
	server := runServer(t, l, settings{})
	ringTheCalledParty(t, l, server)
	if err := server.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	within(t, patience, func() error { return refusesNewCalls(t, server) })
	if !legToServer(t, l, lab.BaresipA) {
		t.Error("the leg was hung up although the call could still finish")
	}
	if err := l.Softphone(lab.BaresipManual).Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, server.process, patience)
	talkTogether(t, l, lab.BaresipA, lab.BaresipManual)
}

// refusesNewCalls wants 503 for a POST. The calling party has no phone, so a POST
// that is still taken does no harm.
func refusesNewCalls(t *testing.T, server *server) error {
	t.Helper()
	p := placed{t: t, server: server, client: client(t), agent: lab.BaresipC}
	p.url = server.https + "/callcontroller/" + lab.Unregistered + "/" + lab.BaresipB + "?agent=" + p.agent
	status, body, err := p.send(http.MethodPost, "")
	if err == nil && status != http.StatusServiceUnavailable {
		err = fmt.Errorf("POST after SIGTERM answers %d %q, wanted 503", status, body)
	}
	return err
}

func TestX15HangsUpAtTheLimit(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipManual)
	server := runServer(t, l, settings{drainLimit: time.Second})
	ringTheCalledParty(t, l, server)
	terminate(t, server.process)
	within(t, patience, func() error {
		if legToServer(t, l, lab.BaresipA) {
			return fmt.Errorf("phone %s still has the leg to the server", lab.BaresipA)
		}
		return nil
	})
}

// terminate sends SIGTERM and wants the exit status 0 in time.
func terminate(t *testing.T, p *lab.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, p, patience)
}

func wantEnd(t *testing.T, p *lab.Process, limit time.Duration) {
	t.Helper()
	select {
	case <-p.Ended():
	case <-time.After(limit):
		t.Fatalf("callcontroller still runs %v after it could have ended", limit)
	}
	if code := p.ExitCode(); code != 0 {
		t.Errorf("callcontroller ended with status %d after SIGTERM, wanted 0", code)
	}
}

// The demo needs none of the real programs.
func TestDemo(t *testing.T) {
	demo := runBinary(t, newDir(t), "demo")
	within(t, 2*patience, func() error {
		if err := demo.Err(); err != nil {
			return err
		}
		text, err := os.ReadFile(demo.Log())
		if err != nil {
			return err
		}
		for _, part := range []string{"SIP/2.0 200", "<status-lines", "</status-lines>", "</dialogs>", "Now it is your turn"} {
			if !strings.Contains(string(text), part) {
				return fmt.Errorf("the demo has not printed %q", part)
			}
		}
		return nil
	})
	terminate(t, demo)
}
