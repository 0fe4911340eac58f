package v1_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"callcontroller/api"
)

const textType = "text/plain"

// ladders implements v1.Ladder: each call has one message, but for OLD.
type ladders struct{}

func (ladders) Messages(call string) []api.Message {
	if call == "OLD" {
		return []api.Message{}
	}
	return []api.Message{{
		Time: time.Date(2026, 3, 1, 9, 30, 0, 302_000_000, time.UTC), Direction: "sent", Leg: "caller", Peer: "udp 192.0.2.5:5060",
		StartLine: "BYE sip:201@example.com SIP/2.0", Text: "BYE sip:201@example.com SIP/2.0\r\nTo: <sip:201@example.com>\r\n\r\n",
	}}
}

// TestLadder: the messages of a call in three forms, also of one that is over.
func TestLadder(t *testing.T) {
	l := newLab(t, nil, archive{"OLD": {ID: "OLD", State: "ended", Method: "refer", Agent: "201"}})
	path := "/v1/calls/" + l.place(t, as201, plain).ID + "/sip"
	w := l.ask(t, "GET", path, as201, "")
	if !strings.Contains(w.Body.String(), "<sip:201@example.com>") {
		t.Errorf("angle brackets are escaped: %s", w.Body)
	}
	m := read[api.Messages](t, w, http.StatusOK)
	if len(m.Messages) != 1 || m.Messages[0] != (ladders{}).Messages("")[0] {
		t.Errorf("%+v", m)
	}
	for query, want := range map[string]string{
		"?format=text": "TIME          LEG         PEER                MESSAGE\n09:30:00.302  caller  ->  udp 192.0.2.5:5060  BYE sip:201@example.com SIP/2.0\n",
		"?format=full": "09:30:00.302  caller  ->  udp 192.0.2.5:5060\n\n  BYE sip:201@example.com SIP/2.0\n  To: <sip:201@example.com>\n\n",
	} {
		w := l.ask(t, "GET", path+query, as201, "")
		if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != textType+"; charset=utf-8" {
			t.Errorf("%s: %d %s %s", query, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	if w := l.ask(t, "GET", "/v1/calls/OLD/sip", as201, ""); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"messages":[]}` {
		t.Errorf("without messages: %d %s", w.Code, w.Body)
	}
	for _, query := range []string{"?format=xml", "?full=true"} {
		wantProblem(t, query, l.ask(t, "GET", path+query, as201, ""), http.StatusUnprocessableEntity, "invalid-fields")
	}
}

// TestZ22LadderOfOthers: who may not see a call is told that there is none.
func TestZ22LadderOfOthers(t *testing.T) {
	l := newLab(t, nil, archive{"OLD": {ID: "OLD", State: "ended", Method: "refer", Agent: "201"}})
	id := l.place(t, as201, plain).ID
	for _, of := range []string{id, "OLD", "NONE"} {
		for _, format := range []string{"", "?format=text"} {
			wantProblem(t, of+format, l.ask(t, "GET", "/v1/calls/"+of+"/sip"+format, as202, ""), http.StatusNotFound, "not-found")
		}
	}
}
