package interop

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"callcontroller/test/interop/lab"
)

// dialogsDocument is the answer to a GET of a call in INVITE mode.
type dialogsDocument struct {
	XMLName xml.Name `xml:"http://www.sipfoundry.org/sipX/schema/xml/call-status-00-00 dialogs"`
	Dialogs []struct {
		ID     string `xml:"dialog-id"`
		Local  string `xml:"local-party"`
		Remote string `xml:"remote-party"`
		State  string `xml:"dialog-state"`
	} `xml:"dialog"`
}

var byInvite = url.Values{"sipMethod": {"INVITE"}}

// wantDialogs waits until the call has legs with exactly these parties and states,
// such as "201 Confirmed".
func (p placed) wantDialogs(want ...string) {
	p.t.Helper()
	within(p.t, patience, func() error {
		if err := p.server.process.Err(); err != nil {
			return err
		}
		status, body, err := p.send(http.MethodGet, "?agent="+p.agent)
		var document dialogsDocument
		if err = errors.Join(err, xml.Unmarshal(body, &document)); err != nil || status != http.StatusOK {
			return fmt.Errorf("GET %s answers %d %q: %w", p.url, status, body, err)
		}
		var got []string
		for _, d := range document.Dialogs {
			user := strings.TrimSuffix(strings.TrimPrefix(d.Remote, "sip:"), "@"+lab.Domain)
			got = append(got, user+" "+strings.TrimSuffix(d.State, " Dialog"))
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			return fmt.Errorf("the legs are %q, wanted %q", got, want)
		}
		return nil
	})
}

// talking waits until each phone has one call, that talks.
func talking(t *testing.T, l *lab.Lab, users ...string) {
	t.Helper()
	for _, user := range users {
		within(t, patience, func() error {
			calls, err := l.Phone(user).Calls(t.Context())
			if err == nil && (len(calls) != 1 || !calls[0].Talking) {
				err = fmt.Errorf("phone %s has %v, wanted one call that talks", user, calls)
			}
			return err
		})
	}
}

// pairings are the phones between which the server stays.
var pairings = []struct{ calling, called string }{
	{lab.BaresipA, lab.BaresipB},
	{lab.BaresipA, lab.Linphone},
	{lab.Linphone, lab.BaresipB},
}

// TestStayInThePath: set-up in INVITE mode, and hang-up from each side, with and
// without the proxy in the path.
func TestStayInThePath(t *testing.T) {
	for path, proxy := range map[string]func(*testing.T, *lab.Lab){"": staysInPath, ", no Record-Route": leavePath} {
		for _, pair := range pairings {
			for _, hangsUp := range []string{pair.calling, pair.called} {
				t.Run(pair.calling+" and "+pair.called+", "+hangsUp+" hangs up"+path, func(t *testing.T) {
					l := useLab(t, pair.calling, pair.called)
					proxy(t, l)
					call := runServer(t, l, settings{}).place(t, pair.calling, pair.called, byInvite)
					call.wantDialogs(pair.calling+" Confirmed", pair.called+" Confirmed")
					talking(t, l, pair.calling, pair.called)
					if err := l.Phone(hangsUp).Hangup(t.Context()); err != nil {
						t.Fatal(err)
					}
					noCalls(t, l, pair.calling, pair.called)
					call.wantDialogs()
				})
			}
		}
	}
}

// TestTransferToThirdPhone: the calling party is replaced, and hung up.
func TestTransferToThirdPhone(t *testing.T) {
	for _, pair := range pairings {
		t.Run(pair.calling+" and "+pair.called, func(t *testing.T) {
			l := useLab(t, pair.calling, pair.called, lab.BaresipC)
			call := runServer(t, l, settings{}).place(t, pair.calling, pair.called, byInvite)
			call.wantDialogs(pair.calling+" Confirmed", pair.called+" Confirmed")
			talking(t, l, pair.calling, pair.called)
			if status, body, err := call.send(http.MethodPost, "?action=transfer&target="+lab.BaresipC); status != http.StatusOK || len(body) > 0 {
				t.Fatalf("the transfer answers %d %q, %v", status, body, err)
			}
			moved := call
			moved.url = strings.Replace(call.url, "/"+pair.calling+"/", "/"+lab.BaresipC+"/", 1)
			moved.wantDialogs(lab.BaresipC+" Confirmed", pair.called+" Confirmed")
			talking(t, l, pair.called, lab.BaresipC)
			noCalls(t, l, pair.calling)
			if err := l.Phone(pair.called).Hangup(t.Context()); err != nil {
				t.Fatal(err)
			}
			noCalls(t, l, pair.called, lab.BaresipC)
			moved.wantDialogs()
		})
	}
}

// TestTransferToBusyPhone: the parties go on, and the client is told.
func TestTransferToBusyPhone(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB)
	call := runServer(t, l, settings{}).place(t, lab.BaresipA, lab.BaresipB, byInvite)
	call.wantDialogs(lab.BaresipA+" Confirmed", lab.BaresipB+" Confirmed")
	status, body, err := call.send(http.MethodPost, "?action=transfer&target="+lab.AgentBusy)
	if status != http.StatusNotAcceptable || !strings.Contains(string(body), "486") {
		t.Errorf("the transfer answers %d %q, %v", status, body, err)
	}
	talking(t, l, lab.BaresipA, lab.BaresipB)
	call.wantDialogs(lab.BaresipA+" Confirmed", lab.BaresipB+" Confirmed")
}

// TestStayCalledPartyFails: the calling party's phone is hung up at once.
func TestStayCalledPartyFails(t *testing.T) {
	for _, called := range []string{lab.AgentBusy, lab.AgentDecline, lab.AgentDeaf, lab.Unknown} {
		t.Run(called, func(t *testing.T) {
			l := useLab(t, lab.BaresipA)
			call := runServer(t, l, settings{}).place(t, lab.BaresipA, called, byInvite)
			noCalls(t, l, lab.BaresipA)
			call.wantDialogs()
		})
	}
}

// TestPhoneThatCannotRefer: the call is made all the same, in INVITE mode.
func TestPhoneThatCannotRefer(t *testing.T) {
	for _, calling := range []string{lab.AgentRefer405, lab.AgentRefer501, lab.AgentRefer603} {
		t.Run(calling, func(t *testing.T) {
			l := useLab(t, calling)
			call := runServer(t, l, settings{}).place(t, calling, lab.AgentBusy, nil)
			within(t, patience, func() error {
				rows, err := call.rows()
				if err == nil && (len(rows) == 0 || !strings.HasPrefix(rows[len(rows)-1].StatusLine, "SIP/2.0 486")) {
					err = fmt.Errorf("the rows are %v", rows)
				}
				return err
			})
		})
	}
}
