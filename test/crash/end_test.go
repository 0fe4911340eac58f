package crash

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"callcontroller/api"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

// TestX15BothAreHungUp: SIGTERM while two parties talk. They may talk on up to the limit,
// and then both are hung up.
func TestX15BothAreHungUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keeping{})
	w.connect()
	began := time.Now()
	if code := w.terminate(); code != 0 {
		t.Errorf("it has ended with status %d", code)
	}
	if d := time.Since(began); d < time.Second {
		t.Errorf("the limit is a second, it has ended after %v", d)
	}
	for _, user := range []string{"201", "202"} {
		if n := w.seen(about(user, request(sip.BYE, ""))); n != 1 {
			t.Errorf("phone %s has got %d BYEs", user, n)
		}
	}
	w.within(func() error { return w.onHook("201", "202") })
	w.serve()
	w.within(func() error { return w.over("") })
}

// terminate sends SIGTERM, waits for the end in order, and gives the exit status.
func (w *world) terminate() int {
	w.Helper()
	if err := w.server.Signal(syscall.SIGTERM); err != nil {
		w.Fatal(err)
	}
	select {
	case <-w.server.Ended():
	case <-time.After(2 * time.Minute):
		w.Fatal("it does not end")
	}
	return w.server.ExitCode()
}

// TestX12Suspended: the process stands still while a phone answers, and while it hangs up,
// as on a machine that is suspended. Both are taken up when it goes on.
func TestX12Suspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, keeping{})
	w.actAt(ringing("202"), w.suspend)
	id := w.invite()
	w.arrive()
	w.repeated(about("202", response(200, sip.INVITE)))
	w.goOn()
	w.within(func() error { return w.connected(id) })
	w.within(w.acknowledged) // A phone says BYE only then (RFC 3261, 15).
	w.suspend()
	w.sandbox.Phone("202").HangUp()
	w.repeated(request(sip.BYE, "202"))
	w.goOn()
	w.within(func() error { return w.told(id, api.CallEnded) })
	w.within(func() error { return w.onHook("201", "202") })
	w.connect()
}

// acknowledged wants phone 202 to have the ACK of its answer.
func (w *world) acknowledged() error {
	if w.seen(func(m sandbox.Traced) bool { return m.Sent && m.User == "202" && m.Msg.Method == sip.ACK }) == 0 {
		return errors.New("the answer of 202 has no ACK")
	}
	return nil
}

func (w *world) suspend() {
	if err := w.server.Signal(syscall.SIGSTOP); err != nil {
		w.Error(err)
	}
}

func (w *world) goOn() {
	if err := w.server.Signal(syscall.SIGCONT); err != nil {
		w.Error(err)
	}
}

// repeated waits until a message was sent again twice: nobody has answered it.
func (w *world) repeated(is func(sandbox.Traced) bool) {
	w.Helper()
	w.within(func() error {
		if w.seen(is) < 3 {
			return errors.New("it is not sent again")
		}
		return nil
	})
}
