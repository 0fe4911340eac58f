package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"callcontroller/test/interop/lab"
)

// linphoneAnswered: with automatic answer linphone may leave the 180 out.
var linphoneAnswered = challenged.then("INVITE 180?", "INVITE 200")

func TestCallBetweenPhones(t *testing.T) {
	for _, test := range []struct {
		name            string
		calling, called string
		rows            want
		proxy           func(*testing.T, *lab.Lab)
	}{
		{"baresip calls baresip", lab.BaresipA, lab.BaresipB, answered, staysInPath},
		{"baresip calls baresip, no Record-Route", lab.BaresipA, lab.BaresipB, answered, leavePath},
		{"baresip calls linphone", lab.BaresipA, lab.Linphone, answered, staysInPath},
		{"linphone calls baresip", lab.Linphone, lab.BaresipB, linphoneAnswered, staysInPath},
		{"linphone calls baresip, no Record-Route", lab.Linphone, lab.BaresipB, linphoneAnswered, leavePath},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := useLab(t, test.calling, test.called)
			test.proxy(t, l)
			runServer(t, l, settings{}).connect(t, l, test.calling, test.called, test.rows)
		})
	}
}

// connect places a call and wants it to succeed: the rows of the calling party's
// leg, the phone's reports, then both phones talk to each other and to nobody
// else, and no row is added.
func (s *server) connect(t *testing.T, l *lab.Lab, calling, called string, leg want) placed {
	t.Helper()
	call := s.place(t, calling, called, nil)
	rows := leg.then("NOTIFY 100", "NOTIFY 200")
	call.wantRows(patience, rows)
	talkTogether(t, l, calling, called)
	call.wantNoMore(rows)
	return call
}

// Between the 202 and its call linphone puts the server on hold, by a re-INVITE.
func TestLinphoneHoldsBeforeItDials(t *testing.T) {
	l := useLab(t, lab.Linphone, lab.BaresipB)
	before := lab.Size(l.Proxy().Log())
	call := runServer(t, l, settings{}).connect(t, l, lab.Linphone, lab.BaresipB, linphoneAnswered)
	log := lab.TailFrom(l.Proxy().Log(), before)
	hold := regexp.MustCompile(`request INVITE sip:callcontroller@.* call-id=(\S+) cseq=(\d+)\n`).FindStringSubmatch(log)
	if hold == nil || hold[1] != call.callID() {
		t.Fatalf("no re-INVITE from linphone in\n%s", log)
	}
	answer := regexp.MustCompile(`response 200 .* call-id=` + hold[1] + ` cseq=` + hold[2] + `\n`)
	if !answer.MatchString(log) {
		t.Errorf("the re-INVITE %s of linphone got no 200 in\n%s", hold[2], log)
	}
}

// staysInPath is how the proxy is when no test has changed it.
func staysInPath(*testing.T, *lab.Lab) {}

// leavePath makes the proxy add no Record-Route during the test, so that the
// phones and the server talk to each other without it once the INVITE is
// answered. Such a test must not run in parallel with others.
func leavePath(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.Proxy().LeavePath(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Proxy().StayInPath(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestCallOverTCP(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB)
	server := runServer(t, l, settings{proxy: "sip:" + l.Proxy().Address() + ";transport=tcp"})
	before := lab.Size(l.Proxy().Log())
	server.connect(t, l, lab.BaresipA, lab.BaresipB, answered)
	log := lab.TailFrom(l.Proxy().Log(), before)
	for _, method := range []string{"INVITE", "ACK", "REFER", "BYE"} {
		if from := source(log, method); !strings.HasPrefix(from, "tcp:") {
			t.Errorf("the first %s came to the proxy from %q, wanted TCP", method, from)
		}
	}
}

// source is where the first request of a method came from, by the proxy's log.
func source(log, method string) string {
	_, rest, _ := strings.Cut(log, "request "+method+" ")
	_, rest, _ = strings.Cut(rest, " source=")
	from, _, _ := strings.Cut(rest, " ")
	return from
}

// The nonce of the first challenge is good for the second call too.
func TestSecondCallIsNotChallenged(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB)
	server := runServer(t, l, settings{})
	server.connect(t, l, lab.BaresipA, lab.BaresipB, answered)
	if err := l.Idle(t.Context(), lab.BaresipA, lab.BaresipB); err != nil {
		t.Fatal(err)
	}
	server.connect(t, l, lab.BaresipA, lab.BaresipB, want{"INVITE 100?", "INVITE 100", "INVITE 180", "INVITE 200"})
}

// A person at the phone sees who is calling: the agent.
func TestCallByAnAgentRingsUntilAnswered(t *testing.T) {
	l := useLab(t, lab.BaresipManual, lab.BaresipB)
	server := runServer(t, l, settings{})
	call := server.place(t, lab.BaresipManual, lab.BaresipB, url.Values{"agent": {lab.BaresipC}})
	call.url += "?agent=" + lab.BaresipC
	call.wantRows(patience, challenged.then("INVITE 180"))
	rings(t, l, lab.BaresipManual, lab.BaresipC)
	if err := l.Softphone(lab.BaresipManual).Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := answered.then("NOTIFY 100", "NOTIFY 200")
	call.wantRows(patience, rows)
	talkTogether(t, l, lab.BaresipManual, lab.BaresipB)
	call.wantNoMore(rows)
}

// rings wants one call on the phone, that rings, from peer.
func rings(t *testing.T, l *lab.Lab, user, peer string) {
	t.Helper()
	within(t, patience, func() error {
		calls, err := l.Phone(user).Calls(t.Context())
		if err == nil && (len(calls) != 1 || calls[0].Talking || calls[0].Peer != lab.URI(peer)) {
			err = fmt.Errorf("phone %s has %v, wanted one call that rings, from %s", user, calls, lab.URI(peer))
		}
		return err
	})
}

func TestSecondPostReplacesTheFirst(t *testing.T) {
	l := useLab(t, lab.BaresipManual, lab.BaresipB)
	server := runServer(t, l, settings{})
	ringing := challenged.then("INVITE 180")
	server.place(t, lab.BaresipManual, lab.BaresipB, nil).wantRows(patience, ringing)
	second := server.place(t, lab.BaresipManual, lab.BaresipB, nil)
	second.wantRows(patience, want{"INVITE 100?", "INVITE 100", "INVITE 180"})
	rings(t, l, lab.BaresipManual, lab.BaresipManual)
	if err := l.Softphone(lab.BaresipManual).Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.wantRows(patience, want{"INVITE 100?", "INVITE 100", "INVITE 180", "INVITE 200", "NOTIFY 100", "NOTIFY 200"})
	talkTogether(t, l, lab.BaresipManual, lab.BaresipB)
}

func TestTrustedNetworkNeedsNoPassword(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB)
	server := runServer(t, l, settings{trusted: "127.0.0.0/8"})
	resp, err := client(t).Post(server.http+"/callcontroller/"+lab.BaresipA+"/"+lab.BaresipB, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("POST without a password answers %s, wanted 200", resp.Status)
	}
	talkTogether(t, l, lab.BaresipA, lab.BaresipB)
}
