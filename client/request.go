package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// largest is how much of an answer is read, in bytes.
const largest = 16 << 20

// request is what is asked, as often as it takes.
type request struct {
	method string
	path   string // with the query
	body   any    // nil: none
	key    string // the header field Idempotency-Key; "": none
}

// answer is what came, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask is do with an answer of that type.
func ask[T any](ctx context.Context, c *Client, r request) (T, error) {
	a, err := c.do(ctx, r)
	if err != nil {
		var none T
		return none, err
	}
	return read[T](a, r.method, r.path)
}

// read reads the JSON of an answer.
func read[T any](a answer, method, path string) (T, error) {
	var value T
	if err := json.Unmarshal(a.body, &value); err != nil {
		return value, fmt.Errorf("%s %s: the answer is not the JSON that it should be: %w", method, path, err)
	}
	return value, nil
}

// do sends a request, again where that is safe and of use. The error is *Error when the
// server has said no.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return answer{}, err
		}
	}
	for try := 1; ; try++ {
		a, err := c.send(ctx, r, body)
		if err == nil && a.status/100 != 2 {
			err = refusal(r, a)
		}
		if err == nil {
			return a, nil
		}
		wait, again := r.again(err, try)
		if !again || !timeFor(ctx, wait) {
			return a, err
		}
		if stopped := sleep(ctx, wait); stopped != nil {
			return a, fmt.Errorf("%w, before another try after: %w", stopped, err)
		}
	}
}

// send sends it once. The error says that there is no answer, or only a part of one.
func (c *Client) send(ctx context.Context, r request, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	c.dress(req, r)
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, largest))
	if err != nil && a.status/100 == 2 { // of a refusal the status will do
		return a, fmt.Errorf("%s %s: read the answer: %w", r.method, r.path, err)
	}
	return a, nil
}

// dress sets the headers.
func (c *Client) dress(req *http.Request, r request) {
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", "callcontroller-client")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
}
