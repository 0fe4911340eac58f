package interop

import (
	"fmt"
	"testing"
	"time"

	"callcontroller/test/interop/lab"
)

// hear waits until the phone gets RTP, or gets none any more.
func hear(t *testing.T, l *lab.Lab, user string, want bool) {
	t.Helper()
	within(t, patience, func() error {
		got, err := l.Softphone(user).Hears(t.Context())
		if err == nil && got != want {
			err = fmt.Errorf("phone %s: RTP arrives is %t, wanted %t", user, got, want)
		}
		return err
	})
}

// flows waits until RTP arrives at both phones. linphone has no microphone here, and
// sends next to nothing: nobody can hear it.
func flows(t *testing.T, l *lab.Lab, one, other string) {
	t.Helper()
	for _, pair := range [][2]string{{one, other}, {other, one}} {
		if pair[1] != lab.Linphone {
			hear(t, l, pair[0], true)
		}
	}
}

// TestStayMedia: RTP flows from phone to phone; hold by each of them stops it, and
// resume brings it back, while the server stays in between.
func TestStayMedia(t *testing.T) {
	for _, pair := range pairings {
		for _, holds := range []string{pair.calling, pair.called} {
			t.Run(pair.calling+" and "+pair.called+", "+holds+" holds", func(t *testing.T) {
				l := useLab(t, pair.calling, pair.called)
				call := runServer(t, l, settings{}).place(t, pair.calling, pair.called, byInvite)
				up := []string{pair.calling + " Confirmed", pair.called + " Confirmed"}
				call.wantDialogs(up...)
				talking(t, l, pair.calling, pair.called)
				flows(t, l, pair.calling, pair.called)
				if err := l.Softphone(holds).Hold(t.Context()); err != nil {
					t.Fatal(err)
				}
				held := pair.calling
				if holds == held {
					held = pair.called
				}
				if holds == lab.Linphone {
					paused(t, l) // Told to resume before that, it does nothing.
				} else {
					hear(t, l, held, false)
				}
				if err := l.Softphone(holds).Resume(t.Context()); err != nil {
					t.Fatal(err)
				}
				flows(t, l, pair.calling, pair.called)
				talking(t, l, pair.calling, pair.called)
				call.wantDialogs(up...)
			})
		}
	}
}

// paused waits until linphone says that its call is on hold.
func paused(t *testing.T, l *lab.Lab) {
	t.Helper()
	within(t, patience, func() error {
		calls, err := l.Phone(lab.Linphone).Calls(t.Context())
		if err == nil && (len(calls) != 1 || calls[0].State != "Paused") {
			err = fmt.Errorf("linphone has %v, wanted one call on hold", calls)
		}
		return err
	})
}

// TestStaySlowCalledParty: nothing is lost by a called party that needs six seconds.
func TestStaySlowCalledParty(t *testing.T) {
	for _, calling := range []string{lab.BaresipA, lab.Linphone} {
		t.Run(calling, func(t *testing.T) {
			l := useLab(t, calling, lab.BaresipManual)
			call := runServer(t, l, settings{}).place(t, calling, lab.BaresipManual, byInvite)
			call.wantDialogs(calling+" Confirmed", lab.BaresipManual+" Early")
			rings(t, l, lab.BaresipManual, calling)
			<-time.After(6 * time.Second) // That it is slow is what is tested.
			if err := l.Softphone(lab.BaresipManual).Accept(t.Context()); err != nil {
				t.Fatal(err)
			}
			call.wantDialogs(calling+" Confirmed", lab.BaresipManual+" Confirmed")
			flows(t, l, calling, lab.BaresipManual)
		})
	}
}

// TestStayRingTimeout: the called party does not answer in time.
func TestStayRingTimeout(t *testing.T) {
	l := useLab(t, lab.BaresipA)
	query := map[string][]string{"sipMethod": {"INVITE"}, "timeout": {"2"}}
	call := runServer(t, l, settings{}).place(t, lab.BaresipA, lab.AgentNoAnswer, query)
	call.wantDialogs(lab.BaresipA+" Confirmed", lab.AgentNoAnswer+" Early")
	noCalls(t, l, lab.BaresipA)
	call.wantDialogs()
}

// TestTransferEndsWithTheCall: the called party hangs up while the target rings.
func TestTransferEndsWithTheCall(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB, lab.BaresipManual)
	call := runServer(t, l, settings{}).place(t, lab.BaresipA, lab.BaresipB, byInvite)
	call.wantDialogs(lab.BaresipA+" Confirmed", lab.BaresipB+" Confirmed")
	if status, _, err := call.send("POST", "?action=transfer&target="+lab.BaresipManual); status != 200 || err != nil {
		t.Fatalf("the transfer answers %d, %v", status, err)
	}
	rings(t, l, lab.BaresipManual, lab.BaresipA)
	if err := l.Phone(lab.BaresipB).Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	noCalls(t, l, lab.BaresipA, lab.BaresipB, lab.BaresipManual)
}
