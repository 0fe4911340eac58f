package journaltest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callcontroller/internal/journal"
)

// keys goes through the life of a key.
func keys(t *testing.T, s Store) {
	const key = "idempotency/anne: a key, with *everything* >"
	j := Open(t, s)
	ctx := t.Context()
	if _, err := j.Get(ctx, key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("get what is not there: %v", err)
	}
	first, err := j.Create(ctx, key, []byte("one"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, err = j.Create(ctx, key, []byte("two"), time.Hour)
	exists, ok := errors.AsType[*journal.ExistsError](err)
	if !ok || !errors.Is(err, journal.ErrExists) || string(exists.Present.Value) != "one" || exists.Present.Revision != first {
		t.Errorf("create what is there: %v", err)
	}
	second, err := j.Update(ctx, key, []byte("two"), first, 2*time.Hour)
	if err != nil || second <= first {
		t.Errorf("update: revision %d after %d, %v", second, first, err)
	}
	if _, err := j.Update(ctx, key, []byte("three"), first, time.Hour); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("update of an old revision: %v", err)
	}
	if err := j.Delete(ctx, key, first); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("delete of an old revision: %v", err)
	}
	j = reopen(t, s, j)
	got, err := j.Get(ctx, key)
	if err != nil || string(got.Value) != "two" || got.Revision != second || time.Until(got.Expires).Round(time.Hour) != 2*time.Hour {
		t.Errorf("get after reopen: %q revision %d until %v, %v", got.Value, got.Revision, got.Expires, err)
	}
	if err := j.Delete(ctx, key, second); err != nil {
		t.Error(err)
	}
	if _, err := j.Get(ctx, key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("get what was deleted: %v", err)
	}
	if _, err := j.Create(ctx, key, nil, time.Hour); err != nil {
		t.Errorf("create what was deleted: %v", err)
	}
	for _, ttl := range []time.Duration{0, -1, 25 * time.Hour} {
		if _, err := j.Create(ctx, "other", nil, ttl); err == nil {
			t.Errorf("a time-to-live of %v is taken", ttl)
		}
	}
}

// keyExpires is over the time of a key: it can be made again, but not be updated by who
// had it before somebody else made it.
func keyExpires(t *testing.T, s Store) {
	j := Open(t, s)
	ctx := t.Context()
	old, err := j.Create(ctx, "key", []byte("old"), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key expires", func() bool {
		_, err := j.Get(ctx, "key")
		return errors.Is(err, journal.ErrNotFound)
	})
	if _, err := j.Create(ctx, "key", []byte("new"), time.Hour); err != nil {
		t.Errorf("create a key whose time is over: %v", err)
	}
	if _, err := j.Update(ctx, "key", []byte("late"), old, time.Hour); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("update by who had it before: %v", err)
	}
	if k, err := j.Get(ctx, "key"); err != nil || string(k.Value) != "new" {
		t.Errorf("get: %q, %v", k.Value, err)
	}
}

// keyOneWinner has many create the same key, and those who read it update it, at once.
func keyOneWinner(t *testing.T, s Store) {
	const rivals = 8
	j := Open(t, s)
	for _, ttl := range []time.Duration{time.Hour, time.Millisecond} {
		key := "key of " + ttl.String()
		if ttl < time.Second { // the rivals find a key whose time is over
			if _, err := j.Create(t.Context(), key, nil, ttl); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the key expires", func() bool {
				_, err := j.Get(t.Context(), key)
				return errors.Is(err, journal.ErrNotFound)
			})
		}
		create := func(ctx context.Context, n int) error {
			_, err := j.Create(ctx, key, []byte(strconv.Itoa(n)), time.Hour)
			return err
		}
		oneWins(t, rivals, journal.ErrExists, create)
		k, err := j.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		oneWins(t, rivals, journal.ErrConflict, func(ctx context.Context, n int) error {
			_, err := j.Update(ctx, key, []byte(strconv.Itoa(n)), k.Revision, time.Hour)
			return err
		})
	}
}

func oneWins(t *testing.T, rivals int, lost error, try func(ctx context.Context, n int) error) {
	t.Helper()
	var all sync.WaitGroup
	var winners atomic.Int32
	for n := range rivals {
		all.Go(func() {
			switch err := try(t.Context(), n); {
			case err == nil:
				winners.Add(1)
			case !errors.Is(err, lost):
				t.Errorf("who loses gets %v, want %v", err, lost)
			}
		})
	}
	all.Wait()
	if n := winners.Load(); n != 1 {
		t.Errorf("%d have won, want 1", n)
	}
}
