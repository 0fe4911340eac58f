package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// cleanups is a stack of what must be undone, last first: a failed start unwinds by
// the same path as Stop.
type cleanups []cleanup

type cleanup struct {
	name string
	undo func(context.Context) error
}

func (c *cleanups) push(name string, undo func(context.Context) error) {
	*c = append(*c, cleanup{name, undo})
}

// run undoes everything, whatever fails, and tells all that failed.
func (c *cleanups) run(ctx context.Context) error {
	var errs []error
	for _, u := range slices.Backward(*c) {
		if err := u.undo(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", u.name, err))
		}
	}
	*c = nil
	return errors.Join(errs...)
}
