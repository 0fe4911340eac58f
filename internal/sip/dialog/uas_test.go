package dialog_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/digest"
	"callcontroller/internal/sip/transaction"
	"callcontroller/internal/sip/transport"
	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/internal/timing"
)

// end is one side of a call: it notes what its session tells, and answers every
// request in the dialog with 200.
type end struct {
	ua      *dialog.UA
	at      netip.AddrPort
	session *dialog.Session    // of its own call
	invited *dialog.Invitation // of a call to it
	calls   dialog.Outgoing    // what it sends

	mu    sync.Mutex
	heard []string
}

func (e *end) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, what)
}

func (e *end) Outgoing() dialog.Outgoing { return e.calls }

func (e *end) Progress(_ *dialog.Session, resp *sip.Message) { e.note(resp.Reason) }
func (e *end) Answered(_ *dialog.Session, resp *sip.Message) { e.note(resp.Reason) }
func (e *end) Rejected(_ *dialog.Session, resp *sip.Message) { e.note(resp.Reason) }

func (e *end) Failed(_ *dialog.Session, err error) {
	switch {
	case errors.Is(err, dialog.ErrCancelled):
		e.note("cancelled")
	case errors.Is(err, transaction.ErrNoAck):
		e.note("no ACK")
	default:
		e.note(err.Error())
	}
}

func (e *end) Acked(_ *dialog.Session, ack *sip.Message) {
	if len(ack.Body) > 0 {
		e.note("ACK " + string(ack.Body))
	}
}

func (e *end) Request(_ *dialog.Session, r *dialog.Request) {
	e.note(r.Msg.Method)
	r.Respond(200, nil, "", nil)
}

func (e *end) uri() sip.URI {
	return sip.URI{Scheme: "sip", User: "bob", Host: e.at.Addr().String(), Port: int(e.at.Port())}
}

// newEnd makes a user agent on a host of its own. take gets what is outside dialogs.
func newEnd(t *testing.T, n *memnet.Network, host string, take func(*end, *transaction.Incoming) bool) *end {
	t.Helper()
	e := new(end)
	wheel := timing.New()
	t.Cleanup(wheel.Close)
	tl := transport.New(transport.Config{Net: n.Host(netip.MustParseAddr(host))}, func(m *sip.Message, from transport.Source) { e.ua.Receive(m, from) })
	t.Cleanup(func() { _ = tl.Close() })
	e.ua = dialog.New(dialog.Config{
		Transport: tl, Resolver: &transport.Resolver{}, Wheel: wheel, Log: slog.New(slog.DiscardHandler), UserAgent: "test",
		Allow:   []string{sip.INVITE, sip.BYE, sip.INFO},
		Outside: func(in *transaction.Incoming) bool { return take != nil && take(e, in) },
	})
	at, err := tl.Listen(t.Context(), transport.UDP, host+":5060")
	if err != nil {
		t.Fatal(err)
	}
	e.at = at
	return e
}

// pair is a caller, who has called, and who is called.
func pair(t *testing.T, fields ...sip.Field) (caller, called *end) {
	t.Helper()
	n := memnet.New(memnet.Options{})
	called = newEnd(t, n, "192.0.2.2", func(e *end, in *transaction.Incoming) bool {
		if in.Msg.Method != sip.INVITE {
			return false
		}
		e.invited = e.ua.Accept(in, dialog.Incoming{ContactUser: "bob"}, e)
		return true
	})
	caller = newEnd(t, n, "192.0.2.1", nil)
	target := called.uri()
	caller.calls = dialog.Outgoing{
		Target: target, From: sip.NameAddr{URI: caller.uri()}, To: sip.NameAddr{URI: target}, ContactUser: "alice", Fields: fields,
	}
	caller.session = caller.ua.Invite(dialog.NewName(), &digest.Credentials{Username: "alice", Password: secret.New("x")}, caller)
	synctest.Wait()
	return caller, called
}

func wantHeard(t *testing.T, who string, e *end, want ...string) {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if diff := cmp.Diff(want, e.heard); diff != "" {
		t.Errorf("%s heard (-want +got):\n%s", who, diff)
	}
}

func TestAnsweredInvitation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, called := pair(t)
		called.invited.Progress(180)
		called.invited.Answer("", nil)
		wantHeard(t, "caller", caller, "Ringing", "OK")
		if called.invited.Confirmed() {
			t.Error("confirmed without an ACK")
		}
		caller.session.Ack("", nil)
		synctest.Wait()
		if !called.invited.Confirmed() {
			t.Error("not confirmed by the ACK")
		}
		called.invited.Reject(486) // Too late: it does nothing.
		called.invited.Session.Send(dialog.Sent{Method: sip.INFO})
		wantHeard(t, "caller", caller, "Ringing", "OK", sip.INFO)
		caller.session.Send(dialog.Sent{Method: sip.INFO})
		called.invited.Session.Send(dialog.Sent{Method: sip.BYE})
		wantHeard(t, "called", called, sip.INFO)
		wantHeard(t, "caller", caller, "Ringing", "OK", sip.INFO, sip.BYE)
	})
}

func TestRejectedInvitation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, called := pair(t)
		called.invited.Reject(486)
		called.invited.Answer("", nil) // Too late: it does nothing.
		wantHeard(t, "caller", caller, "Busy Here")
		time.Sleep(time.Minute)
		wantHeard(t, "called", called)
		if got := called.ua.Stats(); got.Sessions != 0 || got.Transactions.Servers != 0 {
			t.Errorf("left behind: %+v", got)
		}
	})
}

func TestCancelledInvitation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, called := pair(t)
		called.invited.Progress(180)
		synctest.Wait()
		caller.session.Cancel()
		wantHeard(t, "called", called, "cancelled")
		wantHeard(t, "caller", caller, "Ringing", "Request Terminated")
		called.invited.Answer("", nil)
		wantHeard(t, "caller", caller, "Ringing", "Request Terminated")
	})
}

func TestInvitationWithoutAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, called := pair(t)
		called.invited.Answer("", nil)
		time.Sleep(31 * time.Second)
		wantHeard(t, "called", called)
		time.Sleep(2 * time.Second)
		wantHeard(t, "caller", caller, "OK", sip.BYE)
		wantHeard(t, "called", called, "no ACK")
	})
}

func TestInvitationThatIsNotTaken(t *testing.T) {
	for name, c := range map[string]struct {
		field sip.Field
		want  string
	}{
		"unknown extension": {sip.Field{Header: sip.Require, Name: "Require", Value: "magic"}, "Bad Extension"},
		"encoded body":      {sip.Field{Header: sip.ContentEncoding, Name: "Content-Encoding", Value: "gzip"}, "Unsupported Media Type"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				caller, called := pair(t, c.field)
				wantHeard(t, "caller", caller, c.want)
				if called.invited != nil {
					t.Error("it was taken")
				}
			})
		})
	}
}
