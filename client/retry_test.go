package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/api"
)

// script answers requests in turn; an answer of status 0 is none.
type script struct {
	answers []answer
	seen    []*http.Request
	times   []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.seen, s.times = append(s.seen, r), append(s.times, time.Now())
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if a.status == 0 {
		return nil, errors.New("connection reset")
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(string(a.body))), Request: r}, nil
}

func after(status int, text string) answer {
	return answer{status: status, header: http.Header{"Retry-After": {text}}}
}

func ok(body string) answer { return answer{status: http.StatusOK, body: []byte(body)} }

func scripted(t *testing.T, answers ...answer) (*Client, *script) {
	t.Helper()
	c, err := New("https://cc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{answers: answers}
	c.http.Transport = s
	return c, s
}

// gaps are the waits between the requests.
func (s *script) gaps() []time.Duration {
	var list []time.Duration
	for i := 1; i < len(s.times); i++ {
		list = append(list, s.times[i].Sub(s.times[i-1]))
	}
	return list
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, text := range map[string]string{"seconds": "7", "date": "Sat, 01 Jan 2000 00:00:07 GMT"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // whose clock begins with the year 2000
				c, s := scripted(t, after(503, text), ok(`{"id":"A"}`))
				call, err := c.Call(t.Context(), "A")
				if err != nil || call.ID != "A" {
					t.Fatalf("got %v, %v", call, err)
				}
				if gaps := s.gaps(); len(gaps) != 1 || gaps[0] != 7*time.Second {
					t.Errorf("waited %v, want 7 s once", gaps)
				}
			})
		})
	}
}

func TestRetryBacksOffAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(t, answer{})
		if _, err := c.Call(t.Context(), "A"); err == nil || !strings.Contains(err.Error(), "connection reset") {
			t.Errorf("got %v", err)
		}
		gaps := s.gaps()
		if len(gaps) != tries-1 {
			t.Fatalf("waited %v", gaps)
		}
		for i, gap := range gaps {
			if whole := firstWait << i; gap < whole/2 || gap >= whole {
				t.Errorf("wait %d is %v, want half of %v to all of it", i, gap, whole)
			}
		}
	})
}

func TestPlacingKeepsItsKeyOverARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		underWay := answer{status: http.StatusConflict, body: []byte(`{"type":"urn:callcontroller:problem:key-in-use"}`)}
		underWay.header = http.Header{"Content-Type": {"application/problem+json"}}
		c, s := scripted(t, answer{}, underWay, after(429, "1"), answer{status: http.StatusCreated, body: []byte(`{"id":"A"}`)})
		for range 2 {
			if _, err := c.Place(t.Context(), api.PlaceCall{Caller: "201", Callee: "202"}); err != nil {
				t.Fatal(err)
			}
		}
		var keys, bodies []string
		for _, r := range s.seen {
			body, _ := io.ReadAll(r.Body)
			keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, string(body))
		}
		if len(keys) != 5 || len(keys[0]) < 20 || keys[0] != keys[1] || keys[1] != keys[2] || keys[2] != keys[3] {
			t.Fatalf("keys %q: want one for all tries", keys)
		}
		if keys[4] == keys[0] {
			t.Error("another call has the same key")
		}
		for _, body := range bodies {
			if body != `{"caller":"201","callee":"202"}` {
				t.Errorf("body %s", body)
			}
		}
	})
}

func TestWhatIsNotRepeated(t *testing.T) {
	ctx := func(t *testing.T) context.Context { t.Helper(); return t.Context() }
	soon := func(t *testing.T) context.Context {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		t.Cleanup(stop)
		return ctx
	}
	get := func(c *Client, ctx context.Context) error { _, err := c.Call(ctx, "A"); return err }
	tests := map[string]struct {
		answer answer
		ctx    func(*testing.T) context.Context
		ask    func(*Client, context.Context) error
	}{
		"what changes a call": {after(503, "1"), ctx, func(c *Client, ctx context.Context) error { _, err := c.Hold(ctx, "A"); return err }},
		"hangup":              {after(503, "1"), ctx, func(c *Client, ctx context.Context) error { return c.Hangup(ctx, "A") }},
		"a refusal":           {answer{status: 403}, ctx, get},
		"a long wait":         {after(429, "31"), ctx, get},
		"past the deadline":   {after(429, "6"), soon, get},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, test.answer)
				err := test.ask(c, test.ctx(t))
				e, isError := errors.AsType[*Error](err)
				if !isError || e.Problem.Status != test.answer.status {
					t.Errorf("got %v, want the server's answer", err)
				}
				if len(s.seen) != 1 {
					t.Errorf("asked %d times", len(s.seen))
				}
			})
		})
	}
}

func TestContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, after(503, "20"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		_, err := c.Call(ctx, "A")
		if _, isError := errors.AsType[*Error](err); !isError || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want both errors", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestWatchGivesEachChangeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(t,
			ok(`{"state":"queued"}`), ok(`{"state":"queued"}`), answer{},
			ok(`{"state":"connected"}`), ok(`{"state":"ended","outcome":{"result":"busy"}}`))
		var states []string
		for call, err := range c.Watch(t.Context(), "A") {
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, call.State)
		}
		if got := strings.Join(states, " "); got != "queued connected ended" {
			t.Errorf("got %s", got)
		}
		if gap := s.gaps()[0]; gap != watchEvery {
			t.Errorf("looked again after %v", gap)
		}
	})
}

func TestWatchOfAForgottenCall(t *testing.T) {
	c, _ := scripted(t, answer{status: 404})
	for _, err := range c.Watch(t.Context(), "A") {
		if e, isError := errors.AsType[*Error](err); !isError || e.Problem.Status != 404 {
			t.Errorf("got %v", err)
		}
	}
}
