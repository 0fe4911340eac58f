package interop

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"callcontroller/test/interop/lab"
)

func TestCalledPartyFails(t *testing.T) {
	for _, test := range []struct {
		name            string
		calling, called string
		rows            want
	}{
		{"busy", lab.BaresipA, lab.AgentBusy, answered.then("NOTIFY 100", "NOTIFY 486")},
		{"unknown", lab.BaresipA, lab.Unknown, answered.then("NOTIFY 100", "NOTIFY 404")},
		{"not registered", lab.BaresipA, lab.Unregistered, answered.then("NOTIFY 100", "NOTIFY 480")},
		{"declining", lab.BaresipA, lab.AgentDecline, answered.then("NOTIFY 100", "NOTIFY 603")},
		{"silent", lab.BaresipA, lab.AgentDeaf, answered.then("NOTIFY 100", "NOTIFY 408")},
		{"busy, linphone calls", lab.Linphone, lab.AgentBusy, linphoneAnswered.then("NOTIFY 100", "NOTIFY 486")},
		{"unknown, linphone calls", lab.Linphone, lab.Unknown, linphoneAnswered.then("NOTIFY 100", "NOTIFY 404")},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := useLab(t, test.calling)
			server := runServer(t, l, settings{})
			call := server.place(t, test.calling, test.called, nil)
			call.wantRows(patience, test.rows)
			noCalls(t, l, test.calling)
			call.wantNoMore(test.rows)
		})
	}
}

func TestCallingPartyFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		calling string
		query   url.Values
		rows    want
	}{
		{"busy", lab.AgentBusy, nil, challenged.then("INVITE 486")},
		{"declining", lab.AgentDecline, nil, challenged.then("INVITE 180", "INVITE 603")},
		{"silent", lab.AgentDeaf, nil, challenged.then("INVITE 408")},
		{"rings until the timeout", lab.AgentNoAnswer, url.Values{"timeout": {"2"}}, challenged.then("INVITE 180", "INVITE 487")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := useLab(t, test.calling)
			server := runServer(t, l, settings{})
			call := server.place(t, test.calling, lab.BaresipB, test.query)
			call.wantRows(patience, test.rows)
			noCalls(t, l, test.calling)
			call.wantNoMore(test.rows)
			if refer := call.requests(l, test.calling, "REFER"); len(refer) > 0 {
				t.Errorf("agent %s has got %d REFER", test.calling, len(refer))
			}
		})
	}
}

// A calling party that is no user here is called for by an agent.
func TestCallingPartyHasNoPhone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		calling string
		rows    want
	}{
		{"not registered", lab.Unregistered, want{"INVITE 100?", "INVITE 407", "INVITE 480"}},
		{"unknown", lab.Unknown, want{"INVITE 100?", "INVITE 407", "INVITE 404"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := useLab(t)
			server := runServer(t, l, settings{})
			agent := url.Values{"agent": {lab.BaresipC}}
			call := server.place(t, test.calling, lab.BaresipB, agent)
			call.url += "?" + agent.Encode()
			call.wantRows(patience, test.rows)
			call.wantNoMore(test.rows)
		})
	}
}

func TestReferIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		calling string
		code    string
	}{
		{lab.AgentRefer405, "405"},
		{lab.AgentRefer501, "501"},
		{lab.AgentRefer603, "603"},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			l := useLab(t, test.calling)
			server := runServer(t, l, settings{fallback: "off"})
			call := server.place(t, test.calling, lab.BaresipB, nil)
			rows := answered.then("NOTIFY " + test.code)
			call.wantRows(patience, rows)
			noCalls(t, l, test.calling)
			call.wantNoMore(rows)
			if bye := call.request(l, test.calling, "BYE"); !strings.Contains(bye.Text, "\nReason: SIP;cause="+test.code) {
				t.Errorf("the BYE does not tell the reason %s:\n%s", test.code, bye.Text)
			}
		})
	}
}

func TestReferIsAccepted(t *testing.T) {
	t.Parallel()
	l := useLab(t, lab.AgentReferOK)
	server := runServer(t, l, settings{})
	call := server.place(t, lab.AgentReferOK, lab.BaresipB, nil)
	rows := answered.then("NOTIFY 100", "NOTIFY 180", "NOTIFY 200")
	call.wantRows(patience, rows)
	noCalls(t, l, lab.AgentReferOK)
	call.wantNoMore(rows)
	refer := call.request(l, lab.AgentReferOK, "REFER")
	if !strings.Contains(refer.Text, "\nRefer-To: <"+lab.URI(lab.BaresipB)+">\n") {
		t.Errorf("the REFER is not to %s:\n%s", lab.URI(lab.BaresipB), refer.Text)
	}
}

// The phone accepts the REFER and says nothing more: after a while the leg is
// hung up, and no row pretends to know the outcome.
func TestReferIsAcceptedAndSilent(t *testing.T) {
	t.Parallel()
	const notifyTimeout = 3 * time.Second
	l := useLab(t, lab.AgentReferSilent)
	server := runServer(t, l, settings{notifyTimeout: notifyTimeout})
	call := server.place(t, lab.AgentReferSilent, lab.BaresipB, nil)
	call.wantRows(patience, answered)
	noCalls(t, l, lab.AgentReferSilent)
	call.wantNoMore(answered)
	call.request(l, lab.AgentReferSilent, "BYE")
}

// request is the one request of a method that a SIPp agent has got in the call.
func (p placed) request(l *lab.Lab, user, method string) lab.Message {
	p.t.Helper()
	found := p.requests(l, user, method)
	if len(found) != 1 {
		p.t.Fatalf("agent %s has got %d %s, wanted one", user, len(found), method)
	}
	return found[0]
}

// requests are those of a method that a SIPp agent has got in the call.
func (p placed) requests(l *lab.Lab, user, method string) []lab.Message {
	p.t.Helper()
	callID := p.callID()
	trace, err := os.ReadFile(l.Phone(user).Trace())
	if err != nil {
		p.t.Fatal(err)
	}
	var found []lab.Message
	for _, m := range lab.MessagesInTrace(string(trace)) {
		if !m.Sent && m.CallID == callID && strings.HasPrefix(m.Start, method+" ") {
			found = append(found, m)
		}
	}
	return found
}
