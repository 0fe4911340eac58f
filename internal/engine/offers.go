package engine

import (
	"sync"

	"callcontroller/internal/call"
)

// maxOffers bounds the phones that are remembered.
const maxOffers = 4096

// offers remembers the phones that refused the usual offer and took another one,
// by the calling party's URI, so that their next call begins with that (row F02).
type offers struct {
	mu sync.Mutex
	m  map[string]call.Offer
}

func (o *offers) of(uri string) call.Offer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.m[uri]
}

// note tells with which offer a phone answered.
func (o *offers) note(uri string, took call.Offer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took == call.OfferSink {
		delete(o.m, uri)
		return
	}
	if o.m == nil {
		o.m = make(map[string]call.Offer)
	}
	if _, known := o.m[uri]; !known && len(o.m) >= maxOffers {
		for other := range o.m {
			delete(o.m, other) // Any: it costs that phone one refused INVITE.
			break
		}
	}
	o.m[uri] = took
}
