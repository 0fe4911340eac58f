// Package client places, watches, changes and ends calls on a callcontroller server by
// its JSON interface (/v1). The types of requests and answers are those of package api.
//
// It owns the connections to one server and nothing else; it has no global state, writes
// no log and starts no goroutine of its own (those of net/http end with Close). A Client
// may be used by many goroutines at once.
//
// A request that is safe to repeat is repeated up to three times when it is not answered,
// or answered with 429, 502, 503 or 504: those that only read, and the placing of a call,
// whose Idempotency-Key keeps the server from placing it twice. A Retry-After of the
// server is honoured up to 30 seconds. How long all of it may take is the context's
// business. Redirects are not followed, so that credentials go to the server only.
// Events come back by themselves when their connection is lost: see Events.
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"callcontroller/api"
)

// Client talks to one server.
type Client struct {
	base          string // URL of the server, without a slash at its end
	http          *http.Client
	authorization string // the header field; "": none, or Digest
}

// New makes a client of the server at https://HOST[:PORT] or http://HOST[:PORT]; a path,
// such as a reverse proxy may want, goes in front of /v1. It connects to nothing yet.
func New(server string, options ...Option) (*Client, error) {
	base, err := parseServer(server)
	if err != nil {
		return nil, err
	}
	var s settings
	for _, option := range options {
		option(&s)
	}
	if s.authorization != "" && base.Scheme != "https" {
		return nil, errors.New("a password or token is sent by https only: take https, or Digest")
	}
	return &Client{
		base:          strings.TrimSuffix(base.String(), "/"),
		http:          &http.Client{Transport: s.transport(), CheckRedirect: stay},
		authorization: s.authorization,
	}, nil
}

// parseServer does not repeat an address that may have a password in it.
func parseServer(server string) (*url.URL, error) {
	if strings.Contains(server, "@") {
		return nil, errors.New("the address of the server must be without a user: credentials are options")
	}
	base, err := url.Parse(server)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("address of the server %q: must be https://HOST[:PORT] or http://HOST[:PORT]", server)
	}
	return base, nil
}

// stay makes a redirect an answer like any other.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Place places a call and gives it as it stands then. However often the request is
// repeated, it is one call.
func (c *Client) Place(ctx context.Context, order api.PlaceCall) (api.Call, error) {
	call, _, err := c.PlaceOnce(ctx, rand.Text(), order)
	return call, err
}

// PlaceOnce is Place with an Idempotency-Key of the caller's own, 1 to 255 printable ASCII
// characters: the same order with the same key places one call within a day, also from
// another process. With replayed it was placed before, and stands as it did then: Call
// gives it as it stands now. Another order with that key is an *Error with the status 422.
func (c *Client) PlaceOnce(ctx context.Context, key string, order api.PlaceCall) (call api.Call, replayed bool, err error) {
	a, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/calls", body: order, key: quoted(key)})
	if err != nil {
		return api.Call{}, false, err
	}
	call, err = read[api.Call](a, http.MethodPost, "/v1/calls")
	return call, a.header.Get("Idempotent-Replayed") == "true", err
}

// quoted writes a string as header fields have it (RFC 8941 section 3.3.3).
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// Check tells whether a call may be placed, and places none.
func (c *Client) Check(ctx context.Context, order api.PlaceCall) (api.Check, error) {
	return ask[api.Check](ctx, c, request{method: http.MethodPost, path: "/v1/calls:check", body: order})
}

// Call gives a call as it stands. One that has ended is known for a while.
func (c *Client) Call(ctx context.Context, id string) (api.Call, error) {
	return ask[api.Call](ctx, c, request{method: http.MethodGet, path: callPath(id)})
}

// Hangup ends a call, also one that still rings.
func (c *Client) Hangup(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: callPath(id)})
	return err
}

// Transfer puts somebody else in the place of one party.
func (c *Client) Transfer(ctx context.Context, id string, t api.TransferCall) (api.Call, error) {
	return ask[api.Call](ctx, c, request{method: http.MethodPost, path: callPath(id) + "/transfer", body: t})
}

// Hold makes both parties of a call wait.
func (c *Client) Hold(ctx context.Context, id string) (api.Call, error) {
	return ask[api.Call](ctx, c, request{method: http.MethodPost, path: callPath(id) + "/hold"})
}

// Resume lets them talk again.
func (c *Client) Resume(ctx context.Context, id string) (api.Call, error) {
	return ask[api.Call](ctx, c, request{method: http.MethodPost, path: callPath(id) + "/resume"})
}

func callPath(id string) string { return "/v1/calls/" + url.PathEscape(id) }
