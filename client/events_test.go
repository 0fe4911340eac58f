package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callcontroller/api"
)

// journal is a server of events, of which one happens every second, until the last.
type journal struct {
	begin       time.Time
	last        int
	connections []connection // what becomes of them, in turn; further ones are whole
	asked       int
	gone        bool // it was asked for what comes behind the last
}

// connection is how one goes.
type connection struct {
	answer int    // 0: none; 503: later; 200: the stream
	bytes  int    // of the stream, after which it is lost in the middle of whatever is sent
	lost   error  // nil: it falls silent
	end    string // of lines
	lines  bool   // data in many of them
}

func drawConnection(t *rapid.T) connection {
	return connection{
		answer: rapid.SampledFrom([]int{200, 200, 200, 0, 503}).Draw(t, "answer"),
		bytes:  rapid.IntRange(0, 2000).Draw(t, "bytes"),
		lost:   rapid.SampledFrom([]error{io.EOF, io.ErrUnexpectedEOF, nil}).Draw(t, "lost"),
		end:    rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end"),
		lines:  rapid.Bool().Draw(t, "lines"),
	}
}

func (j *journal) RoundTrip(r *http.Request) (*http.Response, error) {
	j.asked++
	c := connection{answer: http.StatusOK, bytes: 1 << 20, end: "\n"}
	if len(j.connections) > 0 {
		c, j.connections = j.connections[0], j.connections[1:]
	}
	switch c.answer {
	case 0:
		return nil, errors.New("connection refused")
	case http.StatusServiceUnavailable:
		return reply(c.answer, http.Header{"Retry-After": {"2"}}, strings.NewReader("")), nil
	}
	after, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if after == j.last {
		j.gone = true
		return reply(http.StatusNoContent, nil, strings.NewReader("")), nil
	}
	in, out := io.Pipe()
	context.AfterFunc(r.Context(), func() { out.CloseWithError(r.Context().Err()) })
	go j.send(out, c, after)
	return reply(http.StatusOK, http.Header{"Content-Type": {"text/event-stream"}}, in), nil
}

// send writes the events behind after.
func (j *journal) send(out *io.PipeWriter, c connection, after int) {
	for next := after + 1; next <= j.last; {
		text := ": heartbeat" + c.end
		if next <= int(time.Since(j.begin)/time.Second) {
			text = frameOf(next, j.last, c.lines, c.end)
			next++
		} else {
			time.Sleep(time.Second)
		}
		n := min(c.bytes, len(text))
		if _, err := io.WriteString(out, text[:n]); err != nil {
			return
		}
		if c.bytes -= n; c.bytes > 0 {
			continue
		}
		if c.lost != nil {
			out.CloseWithError(c.lost)
		}
		return
	}
	out.Close()
}

func reply(status int, h http.Header, body io.Reader) *http.Response {
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(body)}
}

func frameOf(n, last int, lines bool, end string) string {
	kind := api.LegRinging
	if n == last {
		kind = api.CallEnded
	}
	data := fmt.Sprintf(`{"id":"%d","type":"%s","seq":%d}`, n, kind, n)
	if lines {
		data = strings.ReplaceAll(data, ",", ","+end+"data:")
	}
	return fmt.Sprintf("retry: 1000%[1]sid: %[2]d%[1]sevent: %[3]s%[1]sdata: %[4]s%[1]s%[1]s", end, n, kind, data)
}

// However connections are lost, each event comes once, in order, and then it ends.
func TestEventsNoneMissedNoneTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		last := rapid.IntRange(1, 30).Draw(rt, "events")
		call := rapid.SampledFrom([]string{"", "A"}).Draw(rt, "call")
		connections := rapid.SliceOfN(rapid.Custom(drawConnection), 0, 20).Draw(rt, "connections")
		var fault string
		synctest.Test(t, func(t *testing.T) {
			fault = readAll(t, &journal{begin: time.Now(), last: last, connections: connections}, call)
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// readAll tells what is wrong with the events that come from a journal.
func readAll(t *testing.T, j *journal, call string) (fault string) {
	t.Helper()
	want := 1
	for e, err := range withTransport(t, j).Events(t.Context(), EventsOptions{Call: call, After: "0"}) {
		if err != nil && want == 1 && j.asked == tries {
			return "" // It was there for none of the first tries.
		}
		if err != nil || e.ID != strconv.Itoa(want) || e.Seq != uint64(want) {
			return fmt.Sprintf("got %q, %v, want %d", e.ID, err, want)
		}
		want++
	}
	if want != j.last+1 || call == "" && !j.gone {
		return fmt.Sprintf("it ended after %d of %d", want-1, j.last)
	}
	return ""
}

func withTransport(t *testing.T, r http.RoundTripper) *Client {
	t.Helper()
	c, err := New("https://cc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = r
	return c
}

// streams answers each request with the next of the texts, and then with 204.
type streams struct {
	texts []string
	seen  []*http.Request
	times []time.Time
	quiet bool // a stream does not end, it only says nothing more
}

func (s *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	s.seen, s.times = append(s.seen, r), append(s.times, time.Now())
	if len(s.seen) > len(s.texts) {
		return reply(http.StatusNoContent, nil, strings.NewReader("")), nil
	}
	var body io.Reader = strings.NewReader(s.texts[len(s.seen)-1])
	if s.quiet {
		in, out := io.Pipe()
		context.AfterFunc(r.Context(), func() { out.CloseWithError(r.Context().Err()) })
		body = io.MultiReader(body, in)
	}
	return reply(http.StatusOK, http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}, body), nil
}

// collect gives the ids of the events, and the errors in their place.
func collect(ctx context.Context, c *Client, o EventsOptions) (list []string, last error) {
	for e, err := range c.Events(ctx, o) {
		if err != nil {
			list, last = append(list, err.Error()), err
			continue
		}
		list = append(list, e.ID)
	}
	return list, last
}

func TestEventsAreAskedFor(t *testing.T) {
	tests := map[string]EventsOptions{
		"/v1/events": {},
		"/v1/events?agent=201&type=call.connected&type=call.ended":                 {Agent: "201", Types: []string{api.CallConnected, api.CallEnded}},
		"/v1/calls/A%2FB/events":                                                   {Call: "A/B"},
		"/v1/calls/A/events?type=call.connected&type=call.ended&type=call.refused": {Call: "A", Types: []string{api.CallConnected}},
	}
	for want, o := range tests {
		s := &streams{}
		o.After = "7"
		if list, err := collect(t.Context(), withTransport(t, s), o); len(list) != 0 || err != nil {
			t.Errorf("%s: got %q, %v", want, list, err)
		}
		r := s.seen[0]
		if got := r.URL.RequestURI(); got != want || r.Header.Get("Last-Event-ID") != "7" || !strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream") {
			t.Errorf("asked %s %v, want %s", got, r.Header, want)
		}
	}
}

// The end of a call is the end of its events, whether that is wanted or not.
func TestEventsOfACallEnd(t *testing.T) {
	for _, end := range []string{api.CallEnded, api.CallRefused} {
		text := `data: {"id":"1","type":"call.connected"}` + "\n\n" + `data: {"id":"2","type":"` + end + `"}` + "\n\n"
		for want, types := range map[string][]string{"1 2": nil, "1": {api.CallConnected}} {
			s := &streams{texts: []string{text}, quiet: true}
			list, err := collect(t.Context(), withTransport(t, s), EventsOptions{Call: "A", Types: types})
			if got := strings.Join(list, " "); got != want || err != nil || len(s.seen) != 1 {
				t.Errorf("%s: got %s, %v with %d connections, want %s", end, got, err, len(s.seen), want)
			}
		}
	}
}

func TestGapIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gap = "event: gap\ndata: {\"after\":\"3\",\"first\":\"9\"}\n\n"
		s := &streams{texts: []string{gap, gap + "id: 9\ndata: {\"id\":\"9\"}\n\n"}}
		list, last := collect(t.Context(), withTransport(t, s), EventsOptions{After: "3"})
		if got := strings.Join(list, ", "); got != "events behind 3 are no longer kept: it goes on with 9, 9" {
			t.Errorf("got %s", got)
		}
		if g, ok := errors.AsType[*GapError](last); !ok || *g != (GapError{"3", "9"}) {
			t.Errorf("got %v", last)
		}
		if got := s.seen[1].Header.Get("Last-Event-ID"); got != "3" {
			t.Errorf("it came back with %q", got)
		}
	})
}

func TestSilenceIsNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{texts: []string{"id: 1\ndata: {\"id\":\"1\"}\n\n"}, quiet: true}
		if list, err := collect(t.Context(), withTransport(t, s), EventsOptions{}); len(list) != 1 || err != nil {
			t.Errorf("got %q, %v", list, err)
		}
		if gap := s.times[1].Sub(s.times[0]); gap < longestSilence || gap >= longestSilence+firstWait {
			t.Errorf("came back after %v", gap)
		}
		if got := s.seen[1].Header.Get("Last-Event-ID"); got != "1" {
			t.Errorf("it came back with %q", got)
		}
	})
}

// Whoever looks at an event for long is not the server that says nothing.
func TestSlowReaderKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{texts: []string{"data: {\"id\":\"1\"}\n\n"}, quiet: true}
		begin := time.Now()
		for range withTransport(t, s).Events(t.Context(), EventsOptions{}) {
			time.Sleep(2 * longestSilence)
		}
		if took := time.Since(begin); len(s.seen) != 2 || took < 3*longestSilence {
			t.Errorf("%d connections in %v", len(s.seen), took)
		}
	})
}

func TestRetryOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{texts: []string{"retry: 3000\n\n", ": once\n", ": said\n", ": holds\n"}}
		if _, err := collect(t.Context(), withTransport(t, s), EventsOptions{}); err != nil {
			t.Error(err)
		}
		for i := 1; i < len(s.times); i++ {
			if gap := s.times[i].Sub(s.times[i-1]); gap < 3*time.Second || gap >= 6*time.Second {
				t.Errorf("came back after %v", gap)
			}
		}
	})
}

func TestEventsEndWithAnError(t *testing.T) {
	page := ok("<html>")
	page.header = http.Header{"Content-Type": {"text/html"}}
	noJSON := ok("data: <html>\n\n")
	noJSON.header = http.Header{"Content-Type": {"text/event-stream"}}
	tests := map[string]struct {
		answer answer
		text   string
		tries  int
	}{
		"log-in":       {answer{status: 401}, "GET /v1/events: 401 Unauthorized", 1},
		"rights":       {answer{status: 403}, "GET /v1/events: 403 Forbidden", 1},
		"no call":      {answer{status: 404}, "GET /v1/events: 404 Not Found", 1},
		"no events":    {answer{status: 501}, "GET /v1/events: 501 Not Implemented", 1},
		"a long wait":  {after(503, "31"), "503 Service Unavailable, try again in 31s", 1},
		"never there":  {answer{}, "connection reset", tries},
		"always busy":  {after(503, "1"), "503 Service Unavailable, try again in 1s", tries},
		"no stream":    {page, `GET /v1/events is answered with "text/html"`, 1},
		"not an event": {noJSON, "the server's stream of events: invalid character", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, test.answer)
				list, err := collect(t.Context(), c, EventsOptions{})
				if err == nil || len(list) != 1 || !strings.Contains(list[0], test.text) || len(s.seen) != test.tries {
					t.Errorf("got %q after %d tries, want %s", list, len(s.seen), test.text)
				}
			})
		})
	}
}

// A server that was there is awaited for as long as it takes.
func TestLongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := ok(": hello\n\n")
		stream.header = http.Header{"Content-Type": {"text/event-stream"}}
		answers := []answer{stream}
		for range 100 {
			answers = append(answers, answer{})
		}
		c, s := scripted(t, append(answers, after(503, "600"), answer{status: 204})...)
		if list, err := collect(t.Context(), c, EventsOptions{}); len(list) != 0 || err != nil {
			t.Errorf("got %q", list)
		}
		gaps := s.gaps()
		if len(gaps) != 102 || gaps[50] > longestWait || gaps[50] < longestWait/2 || gaps[101] != 10*time.Minute {
			t.Errorf("waited %v", gaps)
		}
	})
}

func TestEventsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streams{texts: []string{"data: {\"id\":\"1\"}\n\n"}, quiet: true}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if list, err := collect(ctx, withTransport(t, s), EventsOptions{}); len(list) != 2 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %q", list)
		}
	})
}

// Over a real network: a server that ends each connection after two events.
func TestEventsOverHTTP(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		if after >= 4 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for n := after + 1; n <= after+2; n++ {
			io.WriteString(w, strings.Replace(frameOf(n, 4, true, "\r\n"), "1000", "1", 1)) // a retry of 1 ms
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, "data: {\"id\":\"half")
	}, Token("geheim"))
	list, err := collect(t.Context(), c, EventsOptions{})
	if got := strings.Join(list, " "); got != "1 2 3 4" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	for range c.Events(t.Context(), EventsOptions{}) {
		break // Nothing is left behind: see TestMain.
	}
}
