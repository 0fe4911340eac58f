package events

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"callcontroller/api"
	"callcontroller/internal/auth"
	"callcontroller/internal/httpapi"
)

// retryAfter is what is told to who has to come back later.
const retryAfter = 10 * time.Second

// places counts streams.
type places struct {
	most, each int

	mu     sync.Mutex
	taken  map[string]int // by user, or address
	all    int
	closed bool
	used   sync.WaitGroup
}

// take takes a place, which is given back by leave, or tells why there is none.
func (p *places) take(who auth.Principal) (leave func(), _ *api.Problem) {
	key := "user " + who.Name
	if who.Name == "" {
		key = "address " + who.Source.String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, refusal(http.StatusServiceUnavailable, "the server is going down")
	case p.taken[key] >= p.each:
		return nil, refusal(http.StatusTooManyRequests, fmt.Sprintf("you have %d streams of events open, which is as many as one user may", p.each))
	case p.all >= p.most:
		return nil, refusal(http.StatusServiceUnavailable, fmt.Sprintf("%d streams of events are open, which is as many as there may be", p.most))
	}
	p.all++
	p.taken[key]++
	p.used.Add(1)
	return func() { p.leave(key) }, nil
}

func refusal(status int, detail string) *api.Problem {
	p := httpapi.ProblemOf(status, detail)
	return &p
}

func (p *places) leave(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.taken[key]--; p.taken[key] == 0 {
		delete(p.taken, key)
	}
	p.used.Done()
}

// close gives no more, and waits for all that are taken.
func (p *places) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.used.Wait()
}

func (p *places) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}
