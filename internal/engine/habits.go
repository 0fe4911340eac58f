package engine

import (
	"sync"

	"callcontroller/internal/call"
)

// maxHabits bounds the phones that are remembered.
const maxHabits = 4096

// habit is what a calling party's phone has shown to do otherwise than most.
type habit struct {
	offer   call.Offer // with which it answered (row F02)
	noRefer bool       // it refuses every REFER
}

func habitOf(c *call.Call) habit { return habit{offer: c.Offer(), noRefer: c.Refuses()} }

// habits remembers phones by the calling party's URI, so that their next call begins
// with what they take.
type habits struct {
	mu sync.Mutex
	m  map[string]habit
}

func (o *habits) of(uri string) habit {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.m[uri]
}

// note tells what a phone that has answered does.
func (o *habits) note(uri string, h habit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h == (habit{}) {
		delete(o.m, uri)
		return
	}
	if o.m == nil {
		o.m = make(map[string]habit)
	}
	if _, known := o.m[uri]; !known && len(o.m) >= maxHabits {
		for other := range o.m {
			delete(o.m, other) // Any: it costs that phone one refused request.
			break
		}
	}
	o.m[uri] = h
}
