package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// MaxBody is the largest request body in bytes; a larger one is answered with 413.
const MaxBody = 64 << 10

// capped refuses large bodies: at once when the client tells the length, else as
// soon as more has been read. A connection ends where headCheck loses its way.
type capped struct{ next http.Handler }

func (h capped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close") // what is left of the body is not read
		refuse(w, r, http.StatusRequestEntityTooLarge, tooLarge)
		return
	}
	if len(r.TransferEncoding) > 0 || r.Header.Get("Upgrade") != "" {
		w.Header().Set("Connection", "close")
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	h.next.ServeHTTP(w, r)
}

// tooLarge is the text about a body above MaxBody.
const tooLarge = "the request body is larger than 64 KiB"

// SkipBody reads a body that means nothing to its end. When that fails it answers
// the request, and returns false.
func SkipBody(w http.ResponseWriter, r *http.Request) bool {
	return readBody(io.Discard, w, r)
}

// ReadBody gives the body. When that fails it answers the request, and returns false.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	var b bytes.Buffer
	ok := readBody(&b, w, r)
	return b.Bytes(), ok
}

func readBody(to io.Writer, w http.ResponseWriter, r *http.Request) bool {
	_, err := io.Copy(to, r.Body)
	if err == nil {
		return true
	}
	w.Header().Set("Connection", "close")
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refuse(w, r, http.StatusRequestEntityTooLarge, tooLarge)
	} else {
		refuse(w, r, http.StatusBadRequest, "the request body cannot be read")
	}
	return false
}

// recovered answers 500 for a panic, so that it ends one request and nothing else.
type recovered struct {
	log  *slog.Logger
	next http.Handler
}

func (h recovered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
			panic(p)
		}
		h.log.ErrorContext(r.Context(), "panic in a request", "method", r.Method, "path", logPath(r), "panic", p, "stack", string(debug.Stack()))
		if wrote(w) {
			panic(http.ErrAbortHandler) // too late for a status: the client must see that it did not get all
		}
		clear(w.Header())
		refuse(w, r, http.StatusInternalServerError, "internal error")
	}()
	h.next.ServeHTTP(w, r)
}

// logged writes one line for each request. The query is not in it: it may have a PIN.
type logged struct {
	log  *slog.Logger
	next http.Handler
}

// answer notes what was answered, who asked, and a fault of ours that the answer
// does not tell.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
	client string
	user   string
	token  string
	fault  error
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func wrote(w http.ResponseWriter) bool {
	a, ok := w.(*answer)
	return ok && a.status != 0
}

type answerKey struct{}

// SetUser puts the name of the user who sent the request into its log line.
func SetUser(ctx context.Context, name string) {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		a.user = name
	}
}

// SetToken puts the ID of the token by which the user has logged in into the log line of
// the request.
func SetToken(ctx context.Context, id string) {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		a.token = id
	}
}

// SetClient puts the address of the client behind a proxy into the log line of the
// request, beside that of the peer.
func SetClient(ctx context.Context, address string) {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		a.client = address
	}
}

// SetError puts an error that is not for the client into the request's log line.
func SetError(ctx context.Context, err error) {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		a.fault = err
	}
}

func (h *logged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	a := &answer{ResponseWriter: w}
	defer func() { h.line(a, r, time.Since(begin)) }()
	h.next.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), answerKey{}, a)))
}

func (h *logged) line(a *answer, r *http.Request, took time.Duration) {
	attrs := append(make([]slog.Attr, 0, 10),
		slog.String("method", r.Method), slog.String("path", logPath(r)), slog.Int("status", a.status),
		slog.Int64("bytes", a.bytes), slog.Float64("took_ms", float64(took.Microseconds())/1000), slog.String("peer", r.RemoteAddr), slog.String("user", a.user))
	if a.token != "" {
		attrs = append(attrs, slog.String("token", a.token))
	}
	if a.client != "" {
		attrs = append(attrs, slog.String("client", a.client))
	}
	level := slog.LevelInfo
	switch {
	case a.fault != nil:
		level = slog.LevelError
		attrs = append(attrs, slog.Any("error", a.fault))
	case r.URL.Path == "/healthz" || r.URL.Path == "/readyz":
		level = slog.LevelDebug
	}
	h.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// logPath is the path as it was sent, so escaped, and not too long for a line.
func logPath(r *http.Request) string {
	const longest = 256
	p := RawPath(r.URL)
	if len(p) > longest {
		p = strings.ToValidUTF8(p[:longest], "") + "..."
	}
	return p
}
