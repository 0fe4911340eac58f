// Package journaltest holds a journal to what package journal promises, whatever its
// store is. It owns the tests and the stores that they run on: the server in this
// process, and Debian's nats-server as a process of its own. It knows nothing of how the
// journal works.
//
// Goroutines: those that a test starts end with it.
package journaltest

import (
	"context"
	"testing"
	"time"

	"callcontroller/internal/journal"
)

// Store is where the journals of one test are: a Journal that was closed is opened again
// by the same Config.
type Store struct {
	Config journal.Config
	// Stop takes the store away from the journal that is open, and Start brings it back
	// with what it had. Both are nil where the store cannot be taken away.
	Stop, Start func()
}

// Run runs all tests. Each has an empty store of its own from open.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Store)
	}{
		{"ReadersSeeAllInOrder", readersSeeAllInOrder},
		{"ReadIsAsTheModel", readIsAsTheModel},
		{"ResumeAfterReopen", resumeAfterReopen},
		{"GoneAfterRetention", goneAfterRetention},
		{"PositionOfAnotherLog", positionOfAnotherLog},
		{"ReadEnds", readEnds},
		{"Refusals", refusals},
		{"LiveAfterReopen", liveAfterReopen},
		{"CopiesAreNotShownTwice", copiesAreNotShownTwice},
		{"CloseStoresEverything", closeStoresEverything},
		{"Keys", keys},
		{"KeyExpires", keyExpires},
		{"KeyOneWinner", keyOneWinner},
		{"WorkerBacksOff", workerBacksOff},
		{"WorkerGivesUp", workerGivesUp},
		{"WorkerStops", workerStops},
		{"WorkerResumes", workerResumes},
		{"WorkersShare", workersShare},
		{"StoreAway", storeAway},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// patience is how long a test waits for what has to come. It is shorter than the time
// after which the store gives a worker what another one has not finished.
const patience = 2 * time.Minute

// Open opens a journal and closes it when the test ends, if the test has not.
func Open(t *testing.T, s Store) *journal.Journal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	j, err := journal.Open(ctx, s.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(ended(t)) }) // a second Close is no news
	return j
}

// ended is a context for a journal whose test is over: it is given no time.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cancel()
	return ctx
}

// Close closes a journal, which must store everything.
func Close(t *testing.T, j *journal.Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// reopen closes a journal and opens it again.
func reopen(t *testing.T, s Store, j *journal.Journal) *journal.Journal {
	t.Helper()
	Close(t, j)
	return Open(t, s)
}
