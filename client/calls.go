package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"callcontroller/api"
)

// Query picks calls. A field that is empty picks all.
type Query struct {
	Agent  string // user name
	Party  string // user name, or address user@host, of either party
	State  string // as in api.Call
	Limit  int    // how many on a page; 0: as the server likes
	Cursor string // where the page begins: Next of the page before
}

// Calls gives one page of the calls that the user may see.
func (c *Client) Calls(ctx context.Context, q Query) (api.Calls, error) {
	return ask[api.Calls](ctx, c, request{method: http.MethodGet, path: "/v1/calls" + q.encode()})
}

// All gives the calls of all pages. An error is the last that comes.
func (c *Client) All(ctx context.Context, q Query) iter.Seq2[api.Call, error] {
	return func(yield func(api.Call, error) bool) {
		for {
			page, err := c.Calls(ctx, q)
			if err != nil {
				yield(api.Call{}, err)
				return
			}
			for i := range page.Calls {
				if !yield(page.Calls[i], nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if page.Next == q.Cursor {
				yield(api.Call{}, errors.New("the server's list leads from a page to itself"))
				return
			}
			q.Cursor = page.Next
		}
	}
}

// encode writes the query, with its question mark; "" when it picks all.
func (q Query) encode() string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("agent", q.Agent)
	set("party", q.Party)
	set("state", q.State)
	set("cursor", q.Cursor)
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// watchEvery is how often Watch looks.
const watchEvery = 500 * time.Millisecond

// Watch gives a call as it stands, and then each time that it is seen to have changed,
// until it has ended. It looks twice a second, so steps that follow each other at once
// may be seen as one. An error is the last that comes; a server that has forgotten the
// call, as it does some time after its end, makes it an *Error with the status 404.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[api.Call, error] {
	return func(yield func(api.Call, error) bool) {
		var last api.Call
		for {
			now, err := c.Call(ctx, id)
			if err != nil {
				yield(api.Call{}, err)
				return
			}
			if !reflect.DeepEqual(last, now) && !yield(now, nil) || now.State == "ended" {
				return
			}
			last = now
			if err := sleep(ctx, watchEvery); err != nil {
				yield(api.Call{}, err)
				return
			}
		}
	}
}
