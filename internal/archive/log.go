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

// Open makes the archive know the calls that have ended in the log so far, until ctx is
// over, and lets Find read them from there. Find waits until Open has seen them all. Those
// that end later are Stored.
func (a *Archive) Open(ctx context.Context, log Log) {
	k := &known{log: log, seed: maphash.MakeSeed(), ready: make(chan struct{}), at: make(map[uint64]journal.Position)}
	a.known.Store(k)
	defer close(k.ready)
	_, last, err := log.Bounds(ctx)
	if err != nil {
		return // The oldest cannot be shown, then.
	}
	for e, err := range log.Read(ctx, 0, journal.Filter{Events: ended, Until: last}) {
		if err == nil {
			k.note(e.Call, e.Position)
		}
	}
}

// Stored notes where the end of a call is in the log.
func (a *Archive) Stored(id call.ID, p journal.Position) {
	if k := a.known.Load(); k != nil {
		k.note(string(id), p)
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
