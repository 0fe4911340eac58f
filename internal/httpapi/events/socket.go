package events

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"callcontroller/internal/httpapi"
	"callcontroller/internal/journal"
)

// socket is a WebSocket. The client sends nothing on it.
type socket struct {
	conn    *websocket.Conn
	timeout time.Duration
	cut     context.CancelFunc // ends the connection at once
	cutter  *time.Timer
	buffer  []byte
	spoke   atomic.Bool // the client has sent what it has no business to send
}

// asksForSocket tells whether a request is the handshake of a WebSocket (RFC 6455
// section 4.2.1). HTTP/2 has another one, which is not offered.
func asksForSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && hasToken(r.Header.Values("Connection"), "upgrade") && hasToken(r.Header.Values("Upgrade"), "websocket")
}

func hasToken(fields []string, token string) bool {
	list := strings.Split(strings.Join(fields, ","), ",")
	return slices.ContainsFunc(list, func(t string) bool { return strings.EqualFold(strings.TrimSpace(t), token) })
}

// openSocket takes the handshake, or answers the request and returns false. Package
// httpapi has refused other origins, by a rule that package websocket does not know.
func openSocket(w http.ResponseWriter, r *http.Request, timeout time.Duration) (sender, context.Context, bool) {
	if text := wrongHandshake(r); text != "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		httpapi.WriteProblem(w, httpapi.ProblemOf(http.StatusBadRequest, text))
		return nil, nil, false
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		httpapi.SetError(r.Context(), err)
		return nil, nil, false
	}
	s := &socket{conn: conn, timeout: timeout}
	// The request's own context means nothing any more (see http.Hijacker).
	ctx, cut := context.WithCancel(context.WithoutCancel(r.Context()))
	s.cut = cut
	return s, s.listen(ctx), true
}

// listen reads what the client sends, pongs and its farewell. The context is over when it
// has gone, or has sent anything else, for which it is shut out. (What the package has for
// this holds the connection for 15 s when the client leaves.)
func (s *socket) listen(ctx context.Context) context.Context {
	here, gone := context.WithCancel(ctx)
	go func() {
		defer gone()
		if _, _, err := s.conn.Reader(ctx); err == nil {
			s.spoke.Store(true)
		}
	}()
	return here
}

// wrongHandshake tells what is wrong with one: what package websocket would refuse
// without a problem document.
func wrongHandshake(r *http.Request) string {
	if r.Header.Get("Sec-WebSocket-Version") != "13" {
		return "header.Sec-WebSocket-Version: the version has to be 13"
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) == 1 {
		if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err == nil && len(key) == 16 {
			return ""
		}
	}
	return "header.Sec-WebSocket-Key: there has to be one, of 16 bytes in base64"
}

func (s *socket) begin(journal.Position) error { return nil }
func (s *socket) flush() error                 { return nil }

func (s *socket) event(e *journal.Entry) error {
	s.buffer = appendEvent(s.buffer[:0], e)
	return s.write(s.buffer)
}

func (s *socket) gap(g *journal.GoneError) error {
	return s.write(appendGap(nil, g, `"type":"gap",`))
}

func (s *socket) write(b []byte) error {
	return s.limited(func(ctx context.Context) error { return s.conn.Write(ctx, websocket.MessageText, b) })
}

// beat sends a ping, and waits for the pong.
func (s *socket) beat() error { return s.limited(s.conn.Ping) }

// limited does something that waits for the client.
func (s *socket) limited(do func(context.Context) error) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	err := do(ctx)
	if err != nil && time.Since(start) >= s.timeout {
		return errSlow
	}
	return err
}

func (s *socket) hurry() { s.cutter = time.AfterFunc(endTimeout, s.cut) }

// end says why, and waits until the client has said that it has understood.
func (s *socket) end(why ending) {
	if s.cutter == nil {
		s.hurry()
	}
	defer s.cut()
	defer s.cutter.Stop()
	switch why {
	case finished:
		_ = s.conn.Close(websocket.StatusNormalClosure, "the call is over")
	case stopping:
		_ = s.conn.Close(websocket.StatusGoingAway, "the server stops")
	case denied:
		_ = s.conn.Close(websocket.StatusPolicyViolation, "log in again")
	case lost:
		if s.spoke.Load() {
			_ = s.conn.Close(websocket.StatusPolicyViolation, "nothing is to be sent here")
			return
		}
		_ = s.conn.CloseNow()
	}
}
