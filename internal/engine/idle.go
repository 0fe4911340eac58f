package engine

import (
	"context"
	"sync"
)

// idle counts calls and tells when there are none.
type idle struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n becomes 0; nil while nobody waits
}

func (i *idle) add() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n++
}

func (i *idle) remove() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n--
	if i.n == 0 && i.empty != nil {
		close(i.empty)
		i.empty = nil
	}
}

func (i *idle) len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

func (i *idle) wait(ctx context.Context) error {
	i.mu.Lock()
	if i.n == 0 {
		i.mu.Unlock()
		return nil
	}
	if i.empty == nil {
		i.empty = make(chan struct{})
	}
	empty := i.empty
	i.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
