package journal

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Key is what the store has under a key.
type Key struct {
	Value []byte
	// Revision is what Update and Delete compare. It grows with each change.
	Revision uint64
	// Expires is when the time of the key is over.
	Expires time.Time
}

// ExistsError gives what the key has. It is an ErrExists.
type ExistsError struct {
	Present Key
}

func (e *ExistsError) Error() string { return ErrExists.Error() }

// Is makes it an ErrExists.
func (e *ExistsError) Is(target error) bool { return target == ErrExists }

// Create stores a value under a key that is not there, until ttl is over. When it is
// there, the error is an *ExistsError with what it has. A key is any text.
func (j *Journal) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (revision uint64, err error) {
	stored, err := j.sealed(value, ttl)
	if err != nil {
		return 0, err
	}
	// Once more when it went, or came, meanwhile.
	for range 3 {
		revision, err = j.bucket.Create(ctx, keyName(key), stored)
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return revision, keyError(err)
		}
		present, over, err := j.key(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return 0, err
		case !over:
			return 0, &ExistsError{Present: present}
		}
		revision, err = j.bucket.Update(ctx, keyName(key), stored, present.Revision)
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return revision, keyError(err)
		}
	}
	return 0, ErrConflict
}

// Get gives what is stored under a key: an ErrNotFound when its time is over.
func (j *Journal) Get(ctx context.Context, key string) (Key, error) {
	k, over, err := j.key(ctx, key)
	if err == nil && over {
		return Key{}, ErrNotFound
	}
	return k, err
}

// Update stores another value, for ttl from now on, if the key has not changed since the
// revision: an ErrConflict otherwise. It does not ask whether the time of the key is
// over.
func (j *Journal) Update(ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration) (uint64, error) {
	stored, err := j.sealed(value, ttl)
	if err != nil {
		return 0, err
	}
	revision, err = j.bucket.Update(ctx, keyName(key), stored, revision)
	return revision, keyError(err)
}

// Delete removes a key if it has not changed since the revision: an ErrConflict
// otherwise.
func (j *Journal) Delete(ctx context.Context, key string, revision uint64) error {
	return keyError(j.bucket.Delete(ctx, keyName(key), jetstream.LastRevision(revision)))
}

// key also gives a key whose time is over: the store itself drops a key MaxTTL after its
// last change only, since older servers know no time for a single key.
func (j *Journal) key(ctx context.Context, key string) (k Key, over bool, err error) {
	e, err := j.bucket.Get(ctx, keyName(key))
	if err != nil {
		return k, false, keyError(err)
	}
	v := e.Value()
	if len(v) < 8 {
		return k, false, fmt.Errorf("key at revision %d: %w", e.Revision(), errMalformed)
	}
	// By the store's clock when it was stored, by ours now.
	ttl := time.Duration(binary.BigEndian.Uint64(v)) //nolint:gosec // as written by sealed
	k = Key{Value: v[8:], Revision: e.Revision(), Expires: e.Created().Add(ttl)}
	return k, !time.Now().Before(k.Expires), nil
}

// sealed puts the time-to-live before a value.
func (j *Journal) sealed(value []byte, ttl time.Duration) ([]byte, error) {
	if ttl <= 0 || ttl > j.cfg.MaxTTL {
		return nil, fmt.Errorf("time-to-live %v of a key: more than 0, at most %v", ttl, j.cfg.MaxTTL)
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(ttl)), value...), nil
}

// keyName makes a key of any text fit for NATS.
func keyName(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func keyError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return ErrNotFound
	case errors.Is(err, jetstream.ErrKeyExists):
		return ErrConflict
	}
	return fmt.Errorf("%w: %w", ErrDown, err)
}
