package archive

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"iter"
	"sync"
	"time"

	"callcontroller/api"
	"callcontroller/internal/call"
	"callcontroller/internal/journal"
)

// Log is what the archive needs of the journal.
type Log interface {
	Read(ctx context.Context, after journal.Position, f journal.Filter) iter.Seq2[journal.Entry, error]
	Bounds(ctx context.Context) (first, last journal.Position, err error)
}

// maxKnown is of how many ended calls the archive knows where they are in the log. It
// takes about 40 bytes for each.
const maxKnown = 250_000

// readLimit is how long a look into the log may take.
const readLimit = 5 * time.Second

// ended are the events with which a call ends, as the log has them.
var ended = []string{api.CallEnded, api.CallRefused}

// known is where ended calls are in the log.
type known struct {
	log   Log
	seed  maphash.Seed
	ready chan struct{} // closed when all is known that was there at the start

	mu    sync.Mutex
	at    map[uint64]journal.Position // by the hash of the call's name
	order []uint64                    // the hashes, the oldest in front
}

// Follow makes the archive know the calls that have ended in the log, those of earlier
// processes too, until ctx is over. Find waits until it has seen what was there when
// Follow began.
func (a *Archive) Follow(ctx context.Context, log Log) {
	k := &known{log: log, seed: maphash.MakeSeed(), ready: make(chan struct{}), at: make(map[uint64]journal.Position)}
	a.known.Store(k)
	_, last, err := log.Bounds(ctx)
	if err == nil {
		k.read(ctx, 0, last)
	}
	close(k.ready)
	if ctx.Err() == nil {
		k.read(ctx, last, 0)
	}
}

// read notes what has ended between two positions, or from one on.
func (k *known) read(ctx context.Context, after, until journal.Position) {
	for e, err := range k.log.Read(ctx, after, journal.Filter{Events: ended, Until: until}) {
		if err == nil { // What is gone cannot be shown.
			k.note(e.Call, e.Position)
		}
	}
}

func (k *known) note(id string, p journal.Position) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := maphash.String(k.seed, id)
	k.at[h] = p
	k.order = append(k.order, h)
	if len(k.order) > maxKnown {
		delete(k.at, k.order[0])
		k.order = k.order[1:]
	}
}

// find reads a call that has ended from the log.
func (k *known) find(ctx context.Context, id call.ID) (api.Call, bool) {
	ctx, stop := context.WithTimeout(ctx, readLimit)
	defer stop()
	select {
	case <-k.ready:
	case <-ctx.Done():
		return api.Call{}, false
	}
	k.mu.Lock()
	p, ok := k.at[maphash.String(k.seed, string(id))]
	k.mu.Unlock()
	if !ok {
		return api.Call{}, false
	}
	for e, err := range k.log.Read(ctx, p-1, journal.Filter{Call: string(id), Events: ended}) {
		if errors.Is(err, journal.ErrGone) {
			return api.Call{}, false
		}
		var event api.Event
		if err == nil && json.Unmarshal(e.Data, &event) == nil {
			event.Call.Legs = nil
			return event.Call, true
		}
	}
	return api.Call{}, false
}
