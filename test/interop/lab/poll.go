package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is the pause between two looks at a program.
const pollEvery = 50 * time.Millisecond

// ErrEnded says that a program is no longer there: to wait for it is in vain.
var ErrEnded = errors.New("the program has ended")

// Poll calls look until it returns nil or ErrEnded, and returns its last error
// when ctx ends first.
func Poll(ctx context.Context, look func() error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := look()
		if err == nil || errors.Is(err, ErrEnded) {
			return err
		}
		if last == nil || ctx.Err() == nil { // the end of ctx may be all that the very last look saw
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), last)
		case <-tick.C:
		}
	}
}
