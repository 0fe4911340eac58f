package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"callcontroller/api"
)

// longestSilence is after what time without a byte a connection is given up. A server
// sends something every few seconds, so that it is known to be there.
const longestSilence = 45 * time.Second

var (
	errOver   = errors.New("the events are over, or nobody wants more")
	errSilent = errors.New("nothing was heard of the server for 45 seconds")
)

// streamError is a stream that would be no better the next time.
type streamError struct{ err error }

func (e *streamError) Error() string { return "the server's stream of events: " + e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }

// stream is one reading of events, over as many connections as it takes.
type stream struct {
	client  *Client
	options EventsOptions
	path    string
	yield   func(api.Event, error) bool

	last   string        // ID of the last event that is known
	gap    GapError      // the last that was told
	opened bool          // the server has answered once
	failed int           // connections that brought nothing, since the last that did
	retry  time.Duration // that the server wants; 0: it does not say
}

// run connects again and again. The error is errOver when all is as it should be.
func (s *stream) run(ctx context.Context) error {
	for {
		s.failed++
		err := s.connect(ctx)
		if ctx.Err() != nil && !errors.Is(err, errOver) {
			return ctx.Err()
		}
		wait, again := s.again(err)
		if !again || !timeFor(ctx, wait) {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// again tells whether to connect once more after that error, and when.
func (s *stream) again(err error) (time.Duration, bool) {
	e, refused := errors.AsType[*Error](err)
	_, broken := errors.AsType[*streamError](err)
	switch {
	case errors.Is(err, errOver), broken, isFinal(err), refused && !e.isPassing():
		return 0, false
	case !s.opened && (s.failed == tries || refused && e.RetryAfter > longestWait):
		return 0, false
	case refused && e.RetryAfter > 0:
		return e.RetryAfter, true
	case s.retry > 0: // at the earliest
		return s.retry + backoff(s.retry, s.failed), true
	}
	return backoff(firstWait, s.failed), true
}

// connect reads one connection to its end, which is always an error.
func (s *stream) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	res, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	s.opened = true
	silence := time.AfterFunc(longestSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	f := newFrames(&watched{res.Body, silence, s}, s.last)
	f.retry = s.retry
	for {
		next, err := f.next()
		s.last, s.retry = f.lastID, f.retry
		if err == nil {
			err = s.take(next)
		}
		if errors.Is(err, errLargeFrame) {
			return &streamError{err}
		}
		if err != nil {
			return err
		}
	}
}

// open asks for the stream, behind the last event that is known.
func (s *stream) open(ctx context.Context) (*http.Response, error) {
	r := request{method: http.MethodGet, path: s.path}
	req, err := http.NewRequestWithContext(ctx, r.method, s.client.base+r.path, http.NoBody)
	if err != nil {
		return nil, &streamError{err}
	}
	s.client.dress(req, r)
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	if s.last != "" {
		req.Header.Set("Last-Event-ID", s.last)
	}
	res, err := s.client.http.Do(req)
	if err != nil {
		return nil, err
	}
	if err := answered(r, res); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// answered is nil when the answer is a stream.
func answered(r request, res *http.Response) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode == http.StatusNoContent:
		return errOver
	case res.StatusCode != http.StatusOK:
		a := answer{status: res.StatusCode, header: res.Header}
		a.body, _ = io.ReadAll(io.LimitReader(res.Body, largest)) // the status will do
		return refusal(r, a)
	case kind != "text/event-stream":
		return &streamError{fmt.Errorf("%s %s is answered with %q", r.method, r.path, kind)}
	}
	return nil
}

// take gives one frame to who reads the events.
func (s *stream) take(f frame) error {
	if f.event == "gap" {
		return s.takeGap(f.data)
	}
	var e api.Event
	if err := json.Unmarshal(f.data, &e); err != nil {
		return &streamError{err}
	}
	if s.options.wants(e.Type) && !s.yield(e, nil) {
		return errOver
	}
	if s.options.Call != "" && e.IsLast() {
		return errOver
	}
	return nil
}

// takeGap tells of a gap once: a server repeats it for as long as no event came behind it.
func (s *stream) takeGap(data []byte) error {
	var gap GapError
	if err := json.Unmarshal(data, &gap); err != nil {
		return &streamError{err}
	}
	if gap == s.gap {
		return nil
	}
	s.gap = gap
	if !s.yield(api.Event{}, &gap) {
		return errOver
	}
	return nil
}

// watched is a body whose reader waits for a byte no longer than its timer runs. The time
// that its user takes in between is not the server's silence.
type watched struct {
	io.Reader

	silence *time.Timer
	stream  *stream
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.silence.Reset(longestSilence)
	n, err := w.Reader.Read(p)
	w.silence.Stop()
	if n > 0 {
		w.stream.failed = 0
	}
	return n, err
}
