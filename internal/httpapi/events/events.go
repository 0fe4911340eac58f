// Package events sends what becomes of calls to whoever follows it, as server-sent events
// (HTML Living Standard section 9.2) or over a WebSocket (RFC 6455). It sends nobody what
// he may not see. It knows no call: it passes on what the journal has.
//
// It serves below v1, which says who asks and whether there is such a call, and has to
// stand behind httpapi.NewHandler: that is where web pages of other origins are refused,
// and a WebSocket is as open to them as any GET.
//
// Goroutines: that of the request and one more for each stream, and one of the WebSocket.
// Stop ends them all and waits.
package events

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"sync/atomic"
	"time"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/journal"
)

// Hub has the events, as stream.Hub.
type Hub interface {
	Read(ctx context.Context, after journal.Position, f journal.Filter) iter.Seq2[journal.Entry, error]
	Bounds(ctx context.Context) (first, last journal.Position, err error)
	Since(ctx context.Context, t time.Time) journal.Position
}

// Config is what a Handler needs. Hub is set.
type Config struct {
	Hub Hub
	// StillValid is asked every Recheck about who has a stream open: false when he would
	// not be let in any more, or not as the same Principal. Nil: always.
	StillValid func(auth.Principal) bool

	MaxStreams   int           // streams at once; default 1,000
	MaxPerUser   int           // streams at once of one user, or one address without a user; default 32
	Heartbeat    time.Duration // a stream sends something after so long; default 15 s
	Recheck      time.Duration // default 1 min
	WriteTimeout time.Duration // who does not take what is sent within it is dropped; default 10 s
}

// endTimeout is what a stream that ends has for its last words.
const endTimeout = time.Second

// Handler answers with streams. Use New.
type Handler struct {
	Config
	places  places
	dropped atomic.Uint64

	ctx  context.Context //nolint:containedctx // ends all streams when the server stops
	stop context.CancelFunc
}

// New makes a Handler, which is a v1.Streams.
func New(c Config) *Handler {
	c.MaxStreams = cmp.Or(c.MaxStreams, 1000)
	c.MaxPerUser = cmp.Or(c.MaxPerUser, 32)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.Recheck = cmp.Or(c.Recheck, time.Minute)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	h := &Handler{Config: c, places: places{most: c.MaxStreams, each: c.MaxPerUser, taken: map[string]int{}}}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// Stop ends all streams, after endTimeout at the latest, and lets no more begin. It is
// the OnStop of an httpapi.Server.
func (h *Handler) Stop() {
	h.stop()
	h.places.close()
}

// Open is how many streams there are.
func (h *Handler) Open() int { return h.places.open() }

// Dropped is how many streams have ended because who had asked for them did not take what
// was sent.
func (h *Handler) Dropped() uint64 { return h.dropped.Load() }

// OfAll implements v1.Streams.
func (h *Handler) OfAll(w http.ResponseWriter, r *http.Request, p auth.Principal) {
	h.serve(w, r, p, nil)
}

// OfCall implements v1.Streams.
func (h *Handler) OfCall(w http.ResponseWriter, r *http.Request, p auth.Principal, c api.Call) {
	h.serve(w, r, p, &c)
}

// serve answers with the events of a call, or of all when it is nil.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, p auth.Principal, c *api.Call) {
	q, faults := readQuestion(r, c)
	if faults != nil {
		httpapi.WriteProblem(w, problemOf(faults))
		return
	}
	if r.Method == http.MethodHead {
		begin(w)
		return
	}
	leave, problem := h.places.take(p)
	if problem != nil {
		w.Header().Set("Retry-After", httpapi.Seconds(retryAfter))
		httpapi.WriteProblem(w, *problem)
		return
	}
	defer leave()
	s := &stream{handler: h, principal: p, question: q, call: c}
	s.serve(w, r)
}
