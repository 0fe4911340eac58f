package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"

	"callcontroller/api"
)

// EventsOptions pick events. A field that is empty picks all.
type EventsOptions struct {
	After string   // ID of an event: those behind it; "": those to come, or with Call from its first one on
	Types []string // such as api.CallEnded
	Agent string   // user name
	Call  string   // name of a call: its events only, and no more after its end
}

// GapError says that events which were asked for are no longer kept.
type GapError struct {
	After string `json:"after"` // ID behind which some are missing
	First string `json:"first"` // ID of the first that is there
}

// Error names both.
func (g *GapError) Error() string {
	return fmt.Sprintf("events behind %s are no longer kept: it goes on with %s", g.After, g.First)
}

// Events gives the events that happen, as they happen, until the context ends; those of
// one call until that has ended. Each comes once, in order: when the connection is lost,
// or nothing at all is heard for 45 seconds, the client comes back and takes up behind the
// last event that it has given. Between tries it waits as the server says (retry,
// Retry-After), else half a second and more each time, up to 30 seconds.
//
// An error is the last that comes, except *GapError, after which it goes on. A refusal of
// the server is an *Error: of the log-in (401), of rights (403), of a call that there is
// not, or because it keeps no events (404, 501). A server that never answers is an error
// after four tries; one that has answered once is tried again for as long as it takes.
func (c *Client) Events(ctx context.Context, o EventsOptions) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		s := stream{client: c, options: o, path: o.path(), last: o.After, yield: yield}
		if err := s.run(ctx); err != nil && !errors.Is(err, errOver) {
			yield(api.Event{}, err)
		}
	}
}

// path is where they are, with the query. The end of a call is always asked for, as it is
// the end of its events.
func (o *EventsOptions) path() string {
	v := url.Values{}
	for _, t := range o.Types {
		v.Add("type", t)
	}
	for _, end := range []string{api.CallEnded, api.CallRefused} {
		if o.Call != "" && !o.wants(end) {
			v.Add("type", end)
		}
	}
	if o.Agent != "" {
		v.Set("agent", o.Agent)
	}
	path := "/v1/events"
	if o.Call != "" {
		path = callPath(o.Call) + "/events"
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// wants tells whether an event of that type was asked for.
func (o *EventsOptions) wants(kind string) bool {
	return len(o.Types) == 0 || slices.Contains(o.Types, kind)
}
