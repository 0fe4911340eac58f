package app_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"callcontroller/api"
	"callcontroller/internal/app"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

// tap is what passes a proxy on the side of the server.
type tap struct {
	mu   sync.Mutex
	list []string
}

func (p *tap) trace(m sandbox.Traced) {
	if m.User != "" || strings.HasSuffix(m.Msg.Get(sip.CSeq), sip.REGISTER) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, likeShown(!m.Sent, m.Msg.Raw()))
}

// likeShown is a message with its secrets as the ladder has them.
func likeShown(sent bool, text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		if strings.HasSuffix(name, "Authorization") {
			line = name
		}
		lines = append(lines, strings.ReplaceAll(line, conference, "***"))
	}
	return fmt.Sprintf("sent %t: %s", sent, strings.Join(lines, "\n"))
}

// laddered starts a server whose proxy is tapped.
func laddered(t *testing.T, bytes int) (*app.App, *tap) {
	t.Helper()
	p := new(tap)
	w := worldOf(t, p.trace, "201", "202", "203")
	c := settings(t, w)
	c.Ladder.Bytes = bytes
	a := start(t, c, newLog())
	t.Cleanup(func() { stop(t, a) })
	return a, p
}

// wantLadder holds the ladder of a call to what the proxy saw, and gives it.
func (p *tap) wantLadder(t *testing.T, a *app.App, id string) []api.Message {
	t.Helper()
	var m api.Messages
	var diff string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if status := askJSON(t, a, http.MethodGet, "/v1/calls/"+id+"/sip", "", &m); status != http.StatusOK {
			t.Fatalf("the answer is %d", status)
		}
		var got []string
		for _, message := range m.Messages {
			got = append(got, likeShown(message.Direction == "sent", message.Text))
		}
		p.mu.Lock()
		want := slices.Clone(p.list)
		p.mu.Unlock()
		slices.Sort(got) // On the way of a connection nothing overtakes, but there are several.
		slices.Sort(want)
		if diff = gocmp.Diff(want, got); diff == "" {
			return m.Messages
		}
	}
	t.Fatalf("the ladder is not what passed the proxy:\n%s", diff)
	return nil
}

// legsOf gives the method of the first message of each leg, by the leg's name.
func legsOf(list []api.Message) map[string]string {
	legs := map[string]string{}
	for _, m := range list {
		legs[m.Leg] = cmp.Or(legs[m.Leg], m.StartLine)
	}
	return legs
}

// TestZ20LadderOfReferCall: all that passes the proxy for a call, and nothing else; and no
// secret.
func TestZ20LadderOfReferCall(t *testing.T) {
	a, p := laddered(t, 1<<20)
	var c api.Call
	askJSON(t, a, http.MethodPost, "/v1/calls", `{"caller": "201", "callee": "202", "method": "refer", "conference_pin": "`+conference+`"}`, &c)
	untilState(t, a, c.ID, "ended")
	list := p.wantLadder(t, a, c.ID)
	if diff := gocmp.Diff(map[string]string{"caller": "INVITE sip:201@example.test SIP/2.0"}, legsOf(list)); diff != "" {
		t.Error(diff)
	}
	_, text := ask(t, a, http.MethodGet, "/v1/calls/"+c.ID+"/sip?format=full")
	for _, want := range []string{"INVITE sip:201@", "response=***", "REFER sip:", "X-ConfPin=***>", "NOTIFY sip:", "SIP/2.0 200 OK", "BYE sip:", "m=audio"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, conference) {
		t.Error("the PIN of the conference is shown")
	}
}

// TestLadderOfInviteCall: the same for both legs, and for the target of a transfer.
func TestLadderOfInviteCall(t *testing.T) {
	a, p := laddered(t, 1<<20)
	var c api.Call
	askJSON(t, a, http.MethodPost, "/v1/calls", `{"caller": "201", "callee": "202", "method": "invite"}`, &c)
	untilState(t, a, c.ID, "connected")
	if status := askJSON(t, a, http.MethodPost, "/v1/calls/"+c.ID+"/transfer", `{"target": "203", "replaces": "caller"}`, &c); status != http.StatusAccepted {
		t.Fatalf("the transfer is answered %d", status)
	}
	if c = untilState(t, a, c.ID, "connected"); c.Caller.Address != "203@example.test" {
		t.Fatalf("the target is not there: %+v", c)
	}
	askJSON(t, a, http.MethodDelete, "/v1/calls/"+c.ID, "", &api.Problem{})
	untilState(t, a, c.ID, "ended")
	want := map[string]string{"caller": "INVITE sip:201@example.test SIP/2.0", "callee": "INVITE sip:202@example.test SIP/2.0", "target": "INVITE sip:203@example.test SIP/2.0"}
	if diff := gocmp.Diff(want, legsOf(p.wantLadder(t, a, c.ID))); diff != "" {
		t.Error(diff)
	}
}

// TestWithoutLadder: nothing is kept, and the calls go on.
func TestWithoutLadder(t *testing.T) {
	a, _ := laddered(t, 0)
	var c api.Call
	askJSON(t, a, http.MethodPost, "/v1/calls", `{"caller": "201", "callee": "202", "method": "refer"}`, &c)
	untilState(t, a, c.ID, "ended")
	var problem api.Problem
	if status := askJSON(t, a, http.MethodGet, "/v1/calls/"+c.ID+"/sip", "", &problem); status != http.StatusNotFound || problem.Detail != "this server keeps no SIP messages" {
		t.Errorf("%d %+v", status, problem)
	}
}
