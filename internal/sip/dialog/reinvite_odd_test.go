package dialog_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/sip"
	"callcontroller/internal/sip/dialog"
	"callcontroller/internal/sip/transaction"
)

// TestReinviteUnanswered: without any response the attempt ends with Timer B; once
// it is proceeding it is cancelled after a while, and ends when that brings nothing.
func TestReinviteUnanswered(t *testing.T) {
	inDialog(t, func(*sip.Message) *sip.Message { return nil }, func(t *testing.T, _ *scripted, e *end) {
		var got error
		e.session.Send(dialog.Sent{Method: sip.INVITE, Done: func(_ *sip.Message, err error) { got = err }})
		time.Sleep(33 * time.Second)
		synctest.Wait()
		if !errors.Is(got, transaction.ErrTimeout) {
			t.Errorf("Done was told %v", got)
		}
	})
	inDialog(t, to(sip.INVITE, 100), func(t *testing.T, p *scripted, e *end) {
		var r results
		e.reinvite(&r)
		time.Sleep(transaction.ReinviteLimit - time.Second)
		r.want(t)
		p.again(t)
		r.want(t, "OK")
	})
	inDialog(t, to(sip.INVITE, 100), func(t *testing.T, _ *scripted, e *end) {
		var r results
		e.reinvite(&r)
		time.Sleep(transaction.ReinviteLimit + 11*time.Second)
		r.want(t, "no response in time")
	})
}

// TestAckWithSDP: the User is told of the ACK that has the answer to the offer in our
// 2xx, once, and the dialog of one who was called can send a re-INVITE.
func TestAckWithSDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, called := pair(t)
		called.invited.Answer("application/sdp", []byte("offer"))
		wantHeard(t, "caller", caller, "OK")
		caller.session.Ack("application/sdp", []byte("answer"))
		wantHeard(t, "called", called, "ACK answer")
		var r results
		called.invited.Session.Send(dialog.Sent{Method: sip.INVITE, Done: r.done})
		r.want(t, "OK")
		called.invited.Session.Ack("application/sdp", []byte("more"))
		wantHeard(t, "caller", caller, "OK", sip.INVITE, "ACK more")
		local, remote := caller.session.Tags()
		if l, r := called.invited.Session.Tags(); local.String() != string(r) || string(remote) != l.String() {
			t.Errorf("tags %s, %s at one end and %s, %s at the other", local, remote, l, r)
		}
		time.Sleep(time.Minute)
		wantHeard(t, "called", called, "ACK answer")
	})
}
