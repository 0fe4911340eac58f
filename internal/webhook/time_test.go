package webhook

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/journal"
)

// piped is an endpoint whose server is at the other end of a pipe, so that time is
// virtual. It gives one answer to each connection, and keeps that open as long as the
// client does.
func piped(t *testing.T, answers ...string) *endpoint {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dial := func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		text := ""
		if len(answers) > 0 {
			text, answers = answers[0], answers[1:]
		}
		go func() {
			defer server.Close()
			r := bufio.NewReader(server)
			if q, err := http.ReadRequest(r); err == nil {
				_, _ = io.Copy(io.Discard, q.Body)
				_, _ = io.WriteString(server, text)
				_, _ = io.Copy(io.Discard, r)
			}
		}()
		return client, nil
	}
	return &endpoint{
		Endpoint: Endpoint{Name: "a"}, log: log, state: readState(filepath.Join(t.TempDir(), "state"), log),
		poster: poster{url: &url.URL{Scheme: "http", Host: "h"}, transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
	}
}

func entry(seq uint64) journal.Entry {
	return journal.Entry{Call: "CALL", Seq: seq, Event: "call.created", Data: []byte(`{"type":"call.created"}`)}
}

func TestAttemptEndsAfterItsLimit(t *testing.T) {
	for _, tt := range []struct {
		name, answer, err string
		status            int
	}{
		{"silence", "", "no answer within 15s", 0},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-", "no answer within 15s", 0},
		{"endless body", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "", 204},
		{"body that never comes", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				a, err := piped(t, tt.answer).post(t.Context(), testMessage("sip:h"))
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) || a.Status != tt.status {
					t.Errorf("%d, %v", a.Status, err)
				}
				if took := time.Since(start); took > attemptLimit || tt.err != "" && took != attemptLimit {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestRetryAfterHoldsTheEndpoint(t *testing.T) {
	const rest = "Content-Length: 0\r\n\r\n"
	for _, tt := range []struct {
		answer string
		want   time.Duration
	}{
		{"429 Too Many Requests\r\nRetry-After: 120\r\n", 2 * time.Minute},
		{"503 Service Unavailable\r\nRetry-After: 7\r\n", 7 * time.Second},
		{"503 Service Unavailable\r\nRetry-After: Sat, 01 Jan 2000 01:00:00 GMT\r\n", time.Hour}, // synctest begins in 2000
		{"429 Too Many Requests\r\nRetry-After: Fri, 31 Dec 1999 23:00:00 GMT\r\n", 0},
		{"429 Too Many Requests\r\nRetry-After: 2000000000\r\n", 6 * time.Hour},
		{"429 Too Many Requests\r\nRetry-After: 99999999999999999999\r\n", 0},
		{"429 Too Many Requests\r\nRetry-After: -5\r\n", 0},
		{"429 Too Many Requests\r\nRetry-After: soon\r\n", 0},
		{"429 Too Many Requests\r\n", 0},
		{"500 Internal Server Error\r\nRetry-After: 120\r\n", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := piped(t, "HTTP/1.1 "+tt.answer+rest, "HTTP/1.1 200 OK\r\n"+rest)
			start := time.Now()
			if err := e.handle(t.Context(), entry(1)); err == nil || !strings.HasPrefix(err.Error(), "answered "+tt.answer[:3]) {
				t.Errorf("%q: %v", tt.answer, err)
			}
			if err := e.handle(t.Context(), entry(2)); err != nil {
				t.Errorf("%q, second event: %v", tt.answer, err)
			}
			if waited := time.Since(start); waited != tt.want {
				t.Errorf("%q: waited for %v, want %v", tt.answer, waited, tt.want)
			}
		})
	}
}

func TestPauseEndsWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := piped(t)
		e.pause(Answer{Status: http.StatusTooManyRequests, RetryAfter: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := e.handle(ctx, entry(1)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// An entry that is no event can never be sent: it is not tried for days.
func TestEntryWithoutEvent(t *testing.T) {
	for _, data := range []string{"", "{}", "null", `"x"`, "{broken"} {
		e := entry(1)
		e.Data = []byte(data)
		if err := piped(t).handle(t.Context(), e); err != nil {
			t.Errorf("%q: %v", data, err)
		}
	}
}
