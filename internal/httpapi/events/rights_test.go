package events_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"callcontroller/api"
	"callcontroller/internal/auth"
)

// lively makes a stream show soon that it has nothing to say.
func lively(l *lab) { l.config.Heartbeat = 100 * time.Millisecond }

// TestZ22EventsOfOthers: nobody is sent what he may not see, whatever he asks for.
func TestZ22EventsOfOthers(t *testing.T) {
	l := newLab(t, lively)
	l.add(t, "a", "201", api.CallCreated)
	l.add(t, "b", "202", api.CallCreated)
	l.add(t, "a", "201", "")
	l.add(t, "a", "201", api.CallEnded)
	l.add(t, "b", "202", api.CallEnded)
	const a1, b1, a2, b2 = "a 1 call.created", "b 1 call.created", "a 3 call.ended", "b 2 call.ended"
	for _, tt := range []struct {
		user, query string
		want        []string
	}{
		{"admin", "", []string{a1, b1, a2, b2}},
		{"admin", "&agent=202", []string{b1, b2}},
		{"admin", "&call=a&agent=", []string{a1, a2}},
		{"admin", "&type=call.ended&type=call.created&agent=201", []string{a1, a2}},
		{"201", "", []string{a1, a2}},
		{"201", "&agent=201&call=a&type=call.ended", []string{a2}},
		{"201", "&agent=202", nil},
		{"201", "&call=b", nil},
		{"203", "", nil},
	} {
		f := l.follow(t, tt.user, "/v1/events?after=0"+tt.query)
		var got []string
		for range tt.want {
			got = append(got, f.event(t))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: %q, want %q", tt.user, tt.query, got, tt.want)
		}
		if more, err := f.next(); err != nil || !more.comment {
			t.Errorf("%s %s: after that comes %+v, %v", tt.user, tt.query, more, err)
		}
		f.close()
	}
}

// TestZ22CallOfAnother: it is 404 as if there were none, exactly as when it is asked for.
func TestZ22CallOfAnother(t *testing.T) {
	l := newLab(t, nil)
	l.add(t, "a", "201", api.CallCreated)
	for _, id := range []string{"a", "nothing"} {
		call, stream := l.get(t, "202", "/v1/calls/"+id), l.get(t, "202", "/v1/calls/"+id+"/events")
		if call.status != http.StatusNotFound || stream.status != http.StatusNotFound || call.text() != stream.text() ||
			fmt.Sprint(call.header["Content-Type"]) != fmt.Sprint(stream.header["Content-Type"]) {
			t.Errorf("%s: %+v, but its events %+v", id, call, stream)
		}
	}
	if got := l.follow(t, "201", "/v1/calls/a/events").event(t); got != "a 1 call.created" {
		t.Error(got)
	}
}

// TestProblems: what cannot be understood is refused, by name, value and rule.
func TestProblems(t *testing.T) {
	l := newLab(t, nil)
	l.add(t, "a", "201", api.CallCreated)
	for _, tt := range []struct {
		path, field string
		location    string
		value       any
	}{
		{"/v1/events?type=call.created&type=call.exploded", "", "query.type", "call.exploded"},
		{"/v1/events?type=", "", "query.type", nil},
		{"/v1/events?colour=red", "", "query.colour", nil},
		{"/v1/events?after=-1", "", "query.after", "-1"},
		{"/v1/events?after=1&after=2", "", "query.after", nil},
		{"/v1/events?agent=201&agent=202", "", "query.agent", nil},
		{"/v1/events?after=%zz", "", "query", nil},
		{"/v1/events?after=1", "Last-Event-ID: abc", "header.Last-Event-ID", "abc"},
		{"/v1/calls/a/events?agent=201", "", "query.agent", nil},
		{"/v1/calls/a/events?type=x", "", "query.type", "x"},
	} {
		fields := []string{}
		if tt.field != "" {
			fields = append(fields, tt.field)
		}
		res := l.get(t, "201", tt.path, fields...)
		var p api.Problem
		if err := json.Unmarshal([]byte(res.text()), &p); err != nil || res.status != 422 || p.Type != "urn:callcontroller:problem:invalid-fields" || len(p.Errors) != 1 {
			t.Errorf("%s: %d %+v, %v", tt.path, res.status, p, err)
			continue
		}
		if e := p.Errors[0]; e.Location != tt.location || e.Value != tt.value || e.Message == "" || p.Detail == "" {
			t.Errorf("%s: %+v", tt.path, p)
		}
	}
	if n := l.events.Open(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

// TestHead: it has the fields of a stream, and ends.
func TestHead(t *testing.T) {
	l := newLab(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, l.url+"/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("201", "1")
	res, err := l.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
}

// TestLimits: so many streams for one user, so many for all; one that ends makes room.
func TestLimits(t *testing.T) {
	l := newLab(t, func(l *lab) { l.config.MaxPerUser, l.config.MaxStreams = 2, 3 })
	first := l.follow(t, "201", "/v1/events")
	l.follow(t, "201", "/v1/events")
	refused := func(user string, status int, name string) {
		t.Helper()
		res := l.get(t, user, "/v1/events")
		var p api.Problem
		if err := json.Unmarshal([]byte(res.text()), &p); err != nil || res.status != status || p.Type != "urn:callcontroller:problem:"+name || res.header.Get("Retry-After") != "10" {
			t.Errorf("%s: %d %v %+v, want %d", user, res.status, res.header, p, status)
		}
	}
	refused("201", http.StatusTooManyRequests, "limited")
	l.follow(t, "202", "/v1/events")
	refused("202", http.StatusServiceUnavailable, "exhausted")
	first.close()
	for range 1000 { // until the server has seen it
		if l.get(t, "201", "/v1/events").status == http.StatusOK {
			return
		}
	}
	t.Error("a stream that has ended makes no room")
}

// TestRemovedUser: a stream of somebody who would not be let in any more ends.
func TestRemovedUser(t *testing.T) {
	asked := make(chan auth.Principal, 100)
	l := newLab(t, func(l *lab) {
		l.config.Recheck = 10 * time.Millisecond
		l.config.StillValid = func(p auth.Principal) bool {
			asked <- p
			return p.Name != "201" || len(asked) < 3
		}
	})
	f := l.follow(t, "201", "/v1/events")
	if got := f.rest(t); got != nil {
		t.Errorf("%q", got)
	}
	if p := <-asked; p.Name != "201" {
		t.Errorf("asked about %+v", p)
	}
}

// TestEventTypes holds the list to the constants.
func TestEventTypes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "..", "api", "event.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			all = append(all, text)
		}
		return true
	})
	if !slices.Equal(all, api.EventTypes()) {
		t.Errorf("the constants are %q, the list has %q", all, api.EventTypes())
	}
}
