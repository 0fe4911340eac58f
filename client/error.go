package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callcontroller/api"
)

// Error is an answer of the server that says no.
type Error struct {
	Method     string        // of the request
	Path       string        // of the request, without the address of the server
	Problem    api.Problem   // its Status is always set; the rest is, when the server said why
	RetryAfter time.Duration // when the server says that it may be tried again; 0: it does not say
}

// Error names the request, the status and what the server says about it.
func (e *Error) Error() string {
	p := &e.Problem
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s: %d %s", e.Method, e.Path, p.Status, p.Title)
	if p.Detail != "" {
		text.WriteString(": " + p.Detail)
	}
	for _, f := range p.Errors {
		text.WriteString("; " + f.Location + ": " + f.Message)
	}
	if p.Rule != "" {
		text.WriteString(" (rule " + p.Rule + ")")
	}
	if e.RetryAfter > 0 {
		text.WriteString(", try again in " + e.RetryAfter.String())
	}
	return text.String()
}

// refusal makes the error of an answer that is no success.
func refusal(r request, a answer) *Error {
	e := &Error{Method: r.method, Path: r.path, RetryAfter: retryAfter(a.header, time.Now())}
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind == "application/problem+json" {
		if json.Unmarshal(a.body, &e.Problem) != nil {
			e.Problem = api.Problem{} // half a problem says less than the status
		}
	}
	e.Problem.Status = a.status
	if e.Problem.Title == "" {
		e.Problem.Title = http.StatusText(a.status)
	}
	return e
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); 0 when there is neither,
// or when it has come already.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now).Round(time.Second))
}
