package conformance

import (
	"testing"
	"testing/synctest"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/sip"
)

// wantDialog checks what a leg's dialog is named after its INVITE; without a tag it must
// have no name.
func (l *lab) wantDialog(r *engine.Running, leg call.Leg, invite received, tag string) {
	l.Helper()
	synctest.Wait()
	got, ok := r.Dialog(leg)
	if ok != (tag != "") {
		l.Errorf("the %s's dialog has a name: %t", leg, ok)
		return
	}
	if want := (call.DialogID{SIPCallID: invite.Get(sip.CallID), LocalTag: invite.FromTag(), RemoteTag: tag}); ok && got != want {
		l.Errorf("the %s's dialog is named %+v, want %+v", leg, got, want)
	}
}

// TestDialogNames: a dialog has a name from the first response with a tag on, which is
// that of the phone that has answered in the end.
func TestDialogNames(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place(stay)
		a, b := p.answerCaller()
		l.wantDialog(r, call.Caller, a, "a")
		p.reply(b, 100, extra{})
		l.wantDialog(r, call.Callee, b, "")
		l.wantDialog(r, call.Target, b, "")
		p.reply(b, 180, extra{tag: "b"})
		l.wantDialog(r, call.Callee, b, "b")
		p.reply(b, 183, extra{tag: "c"})
		l.wantDialog(r, call.Callee, b, "c")
		p.reply(b, 200, extra{tag: "b", body: offerB})
		l.wantDialog(r, call.Callee, b, "b")
		re := p.expect(sip.INVITE)
		p.reply(re, 200, extra{tag: "a", body: sdpBody})
		p.expect(sip.ACK)
		p.expect(sip.ACK)
		l.wantDialog(r, call.Caller, a, "a")
		p.send(p.request(b, sip.BYE, 1, extra{tag: "b"}))
		p.expect("200")
		p.bye()
		l.wantEnd(r, call.Completed)
		l.wantDialog(r, call.Callee, b, "b")
	})
}
