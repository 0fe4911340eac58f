package events_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"callcontroller/api"
	"callcontroller/internal/auth"
)

// dial opens a WebSocket as a user, with fields "Name: value".
func (l *lab) dial(t *testing.T, user, path string, fields ...string) (_ *websocket.Conn, status int, _ error) {
	t.Helper()
	h := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":1"))}}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		h.Set(name, value)
	}
	conn, res, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(l.url, "http")+path, &websocket.DialOptions{HTTPClient: l.client, HTTPHeader: h}) //nolint:bodyclose // Dial closes it.
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	if res != nil {
		status = res.StatusCode
	}
	return conn, status, err
}

func (l *lab) socket(t *testing.T, user, path string) *websocket.Conn {
	t.Helper()
	conn, _, err := l.dial(t, user, path)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// hear reads messages to the end of a WebSocket, and gives how it was closed.
func hear(t *testing.T, conn *websocket.Conn, most int) (got []string, status websocket.StatusCode) {
	t.Helper()
	for len(got) < most {
		kind, data, err := conn.Read(t.Context())
		if err != nil {
			return got, websocket.CloseStatus(err)
		}
		e := parse(t, string(data))
		if kind != websocket.MessageText || !strings.HasPrefix(string(data), `{"id":"`+e.ID+`",`) || e.ID == "" {
			t.Errorf("message %s", data)
		}
		got = append(got, fmt.Sprint(e.Call.ID, " ", e.Seq, " ", e.Type))
	}
	return got, 0
}

// TestSocket: the same events, filters, places and rights as those of a stream.
func TestSocket(t *testing.T) {
	l := newLab(t, nil)
	want := append20(t, l)
	l.add(t, "b", "202", api.CallCreated)
	got, _ := hear(t, l.socket(t, "201", "/v1/events?after=0"), len(want))
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	f := l.follow(t, "201", "/v1/events?after=0")
	for range 10 {
		f.event(t)
	}
	if got, _ := hear(t, l.socket(t, "201", "/v1/events?after="+f.last), len(want)-10); !slices.Equal(got, want[10:]) {
		t.Errorf("behind the tenth: %q", got)
	}
	got, status := hear(t, l.socket(t, "201", "/v1/calls/call1/events?type=call.created&type=call.ended"), 99)
	if !slices.Equal(got, []string{"call1 1 call.created", "call1 5 call.ended"}) || status != websocket.StatusNormalClosure {
		t.Errorf("of a call: %q, %d", got, status)
	}
	if got, status := hear(t, l.socket(t, "201", "/v1/calls/call1/events?after=99999999"), 99); got != nil || status != websocket.StatusNormalClosure {
		t.Errorf("behind the end: %q, %d", got, status)
	}
	conn := l.socket(t, "201", "/v1/events?after=99999999999")
	_, data, err := conn.Read(t.Context())
	if err != nil || string(data) != `{"type":"gap","after":"99999999999","first":"1023"}` {
		t.Errorf("a gap is %s, %v", data, err)
	}
}

// TestSocketRefused: what is wrong with the request is a problem, and no WebSocket.
func TestSocketRefused(t *testing.T) {
	l := newLab(t, nil)
	l.add(t, "a", "201", api.CallCreated)
	for _, tt := range []struct {
		user, path string
		status     int
	}{
		{"202", "/v1/calls/a/events", http.StatusNotFound},
		{"201", "/v1/events?type=x", http.StatusUnprocessableEntity},
	} {
		_, status, err := l.dial(t, tt.user, tt.path)
		if err == nil || status != tt.status {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for name, fields := range map[string][]string{
		"version": {"Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="},
		"key":     {"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"},
		"no key":  {"Sec-WebSocket-Version: 13"},
	} {
		res := l.get(t, "201", "/v1/events", append(fields, "Connection: keep-alive, Upgrade", "Upgrade: WebSocket")...)
		var p api.Problem
		if err := json.Unmarshal([]byte(res.text()), &p); err != nil || res.status != http.StatusBadRequest || !strings.HasPrefix(p.Detail, "header.Sec-WebSocket-") {
			t.Errorf("%s: %d %+v %v", name, res.status, p, err)
		}
	}
}

// TestSocketLives: pings show that both sides are there; who sends, is removed or has gone
// loses his place.
func TestSocketLives(t *testing.T) {
	valid := make(chan bool)
	l := newLab(t, func(l *lab) {
		l.config.Heartbeat, l.config.Recheck = 5*time.Millisecond, 20*time.Millisecond
		l.config.StillValid = func(p auth.Principal) bool {
			if p.Name != "removed" {
				return true
			}
			return <-valid
		}
	})
	conn := l.socket(t, "removed", "/v1/events")
	go func() {
		for range 3 { // Some pings have come and gone by then.
			valid <- true
		}
		valid <- false
	}()
	if _, status := hear(t, conn, 1); status != websocket.StatusPolicyViolation {
		t.Errorf("a user who was removed: %d", status)
	}
	conn = l.socket(t, "201", "/v1/events")
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, status := hear(t, conn, 1); status != websocket.StatusPolicyViolation {
		t.Errorf("who says something: %d", status)
	}
	conn = l.socket(t, "201", "/v1/events")
	if err := conn.CloseNow(); err != nil {
		t.Error(err)
	}
	for l.events.Open() > 0 { // The test's own time limit ends it.
		l.add(t, "a", "201", api.LegHeld)
	}
}

// TestZ13EventsForForeignPages: a page of another origin opens neither stream nor
// WebSocket, with whatever credentials its user has.
func TestZ13EventsForForeignPages(t *testing.T) {
	l := newLab(t, func(l *lab) { l.http.Origins = []string{"https://crm.example.com"} })
	l.add(t, "a", "201", api.CallCreated)
	own := strings.TrimPrefix(l.url, "http://")
	for fields, allowed := range map[string]bool{
		"Origin: https://evil.test":                           false,
		"Origin: null":                                        false,
		"Origin: https://" + own + ".evil.test":               false,
		"Sec-Fetch-Site: cross-site":                          false,
		"Sec-Fetch-Site: same-site":                           false,
		"Origin: https://evil.test|Sec-Fetch-Site: same-site": false,
		"Origin: http://" + own:                               true,
		"Origin: https://crm.example.com":                     true,
		"Sec-Fetch-Site: same-origin":                         true,
		"X-Other: 1":                                          true,
	} {
		list := strings.Split(fields, "|")
		for _, path := range []string{"/v1/events", "/v1/calls/a/events"} {
			if status := l.get(t, "201", path, list...).status; (status == http.StatusOK) != allowed || !allowed && status != http.StatusForbidden {
				t.Errorf("%s %s: stream %d", fields, path, status)
			}
			_, status, err := l.dial(t, "201", path, list...)
			if (err == nil) != allowed || !allowed && status != http.StatusForbidden {
				t.Errorf("%s %s: WebSocket %v", fields, path, err)
			}
		}
	}
}

// TestSocketStop: it is told why it ends.
func TestSocketStop(t *testing.T) {
	l := newLab(t, nil)
	conn := l.socket(t, "201", "/v1/events")
	silent := l.socket(t, "201", "/v1/events") // does not read, so it answers nothing
	_ = silent
	stopped := make(chan error)
	go func() { stopped <- l.server.Stop(context.WithoutCancel(t.Context())) }()
	if _, status := hear(t, conn, 1); status != websocket.StatusGoingAway {
		t.Errorf("closed with %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
