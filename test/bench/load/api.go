package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// API is how a server is asked for a call: a POST over HTTP.
type API struct {
	Address string // host:port
	Path    string
	Headers string // whole lines
	// Body gives the body of a request that has one party, as user@host, call another;
	// number is that of the call.
	Body func(b []byte, number int, caller, callee string) []byte
}

// client is one connection to the server. It writes requests itself and reads answers by
// net/http: the usual client would cost more than the server that is measured.
type client struct {
	api  *API
	conn net.Conn
	in   *bufio.Reader
	body []byte
	out  []byte
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn = nil
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	body   []byte
}

func (r *refusal) Error() string { return fmt.Sprintf("HTTP %d: %.200s", r.status, r.body) }

// post asks for a call. A *refusal, or what the network says.
func (c *client) post(ctx context.Context, number int, caller, callee string, limit time.Duration) error {
	if c.conn == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.api.Address)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	err := c.exchange(number, caller, callee, limit)
	if _, refused := err.(*refusal); err != nil && !refused { //nolint:errorlint // exchange wraps none
		c.close()
	}
	return err
}

func (c *client) exchange(number int, caller, callee string, limit time.Duration) error {
	c.body = c.api.Body(c.body[:0], number, caller, callee)
	b := append(append(append(c.out[:0], "POST "...), c.api.Path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(append(append(b, c.api.Address...), "\r\n"...), c.api.Headers...), "Content-Length: "...)
	b = append(append(strconv.AppendInt(b, int64(len(c.body)), 10), "\r\n\r\n"...), c.body...)
	c.out = b
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := c.conn.Write(b); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.Close {
		c.close()
	}
	if resp.StatusCode >= 300 || bytes.Contains(text, []byte(`"error"`)) { // JSON-RPC says it in the body
		return &refusal{resp.StatusCode, text}
	}
	return nil
}
