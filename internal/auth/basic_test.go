package auth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
)

// hashed is a directory of one user with an argon2id hash, who is not asked for here.
type hashed struct{ secret.Text }

func (hashed) Lookup(string) (directory.User, bool) { return directory.User{}, false }
func (h hashed) Costliest() secret.Text             { return h.Text }

// Rows Z10 and Z11: what costs a hash waits for its turn, for nobody knows whom, and not
// for ever; what waited is not counted as a failure, and what failed meanwhile is.
func TestZ10HashesTakeTurns(t *testing.T) {
	users := hashed{secret.New("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$3l4S71NdlrlSYqS8Bis7cqnhiUSKzyoirtWjOgV+5TE")}
	synctest.Test(t, func(t *testing.T) {
		b := NewBasic(Config{Realm: "lab.test", Users: users, Guard: NewGuard(3)})
		verify := func(ctx context.Context, source uint64) error {
			return b.verify(ctx, attempt{guard: b.Guard, source: source, user: source}, directory.User{}, secret.New("x"))
		}
		for range hashing {
			b.turns <- struct{}{}
		}
		begin := time.Now()
		slow, ok := errors.AsType[*SlowDownError](verify(t.Context(), 1))
		if !ok || slow.After != hashingPatience || time.Since(begin) != hashingPatience {
			t.Errorf("%v after %s", slow, time.Since(begin))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := verify(gone, 1); err == nil || time.Since(begin) != hashingPatience {
			t.Error("a client that is gone still waits")
		}
		results := make(chan error, 2)
		for range 2 { // the budget is for one
			go func() { results <- verify(t.Context(), 2) }()
		}
		synctest.Wait()
		<-b.turns
		first, second := <-results, <-results
		if _, ok := errors.AsType[*SlowDownError](errors.Join(first, second)); !ok || !errors.Is(errors.Join(first, second), ErrRefused) {
			t.Errorf("%v and %v, wanted one that was looked at", first, second)
		}
		if len(b.turns) != hashing-1 || len(b.Guard.sources.entries) != 1 {
			t.Errorf("%d turns taken, %d sources", len(b.turns), len(b.Guard.sources.entries))
		}
	})
}
