package v1

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/journal"
	"callcontroller/internal/pack"
)

// KeyStore is what JournalKeys needs of the journal.
type KeyStore interface {
	Create(ctx context.Context, key string, value []byte, ttl time.Duration) (revision uint64, err error)
	Update(ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration) (uint64, error)
	Delete(ctx context.Context, key string, revision uint64) error
}

// keyLimit is how long the store may take.
const keyLimit = 3 * time.Second

// storeRetry is when to try again that asks in vain.
const storeRetry = 5 * time.Second

// JournalKeys keeps the keys in the journal, so that a key places one call even when the
// process ends in between, and several processes know the same keys. Use NewJournalKeys.
type JournalKeys struct {
	store   KeyStore
	process string
}

// NewJournalKeys makes one for this process.
func NewJournalKeys(s KeyStore) *JournalKeys { return &JournalKeys{s, rand.Text()} }

// Create implements Keys.
func (j *JournalKeys) Create(ctx context.Context, name string, e Entry) (Entry, bool, error) {
	ctx, stop := context.WithTimeout(ctx, keyLimit)
	defer stop()
	revision, err := j.store.Create(ctx, name, j.save(e), KeyTime)
	if err == nil {
		e.version = revision
		return e, true, nil
	}
	there, ok := errors.AsType[*journal.ExistsError](err)
	if !ok {
		return Entry{}, false, unstored(err)
	}
	e, err = j.restore(there.Present)
	return e, false, err
}

// Take implements Keys.
func (j *JournalKeys) Take(ctx context.Context, name string, e Entry) (Entry, bool, error) {
	ctx, stop := context.WithTimeout(ctx, keyLimit)
	defer stop()
	revision, err := j.store.Update(ctx, name, j.save(e), e.version, KeyTime)
	if errors.Is(err, journal.ErrConflict) {
		return Entry{}, false, nil
	}
	e.version, e.Left = revision, false
	return e, err == nil, unstored(err)
}

// Finish implements Keys. Who has asked has his answer whatever comes of this, so that he
// is not waited for.
func (j *JournalKeys) Finish(ctx context.Context, name string, e Entry, answer []byte) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), keyLimit)
	defer stop()
	e.Answer = answer
	_, err := j.store.Update(ctx, name, j.save(e), e.version, KeyTime)
	return err
}

// Release implements Keys.
func (j *JournalKeys) Release(ctx context.Context, name string, e Entry) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), keyLimit)
	defer stop()
	return j.store.Delete(ctx, name, e.version)
}

func (j *JournalKeys) save(e Entry) []byte {
	return pack.String(pack.String(pack.String(pack.String(nil, j.process), e.Request[:]), e.Call), e.Answer)
}

func (j *JournalKeys) restore(k journal.Key) (Entry, error) {
	r := pack.NewReader(k.Value)
	e := Entry{version: k.Revision}
	process := r.String()
	copy(e.Request[:], r.Bytes())
	e.Call = call.ID(r.String())
	if answer := r.Bytes(); len(answer) > 0 {
		e.Answer = answer
	}
	e.Left = process != j.process && e.Answer == nil
	return e, r.Err()
}

// unstored is the error of a store that does not answer.
func unstored(err error) error {
	if err == nil {
		return nil
	}
	return &call.Error{Kind: call.Exhausted, RetryAfter: storeRetry, Text: "the journal cannot be reached, which keeps the keys of Idempotency-Key; try again later, or without the field"}
}
