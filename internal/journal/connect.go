package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// askTimeout is how long an answer of the store may take.
const askTimeout = 3 * time.Second

// duplicates is for how long the store knows a message that is sent again. The store
// reads as much of the log when it starts, so it is short: it has to cover the bytes of
// a connection that is lost, no more. See send.
const duplicates = 20 * time.Second

// connect makes the connection. It is kept for ever: when it is lost, a new one is made.
func (j *Journal) connect(ctx context.Context) error {
	lost := fmt.Errorf("%w: not connected", ErrDown)
	options := []nats.Option{
		nats.Name("callcontroller " + j.cfg.Node),
		nats.Timeout(askTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.ReconnectBufSize(-1), // what waits, waits in our queue
		nats.PingInterval(5 * time.Second),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { j.queue.connected(lost) }),
		nats.ReconnectHandler(func(*nats.Conn) { j.queue.connected(nil) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { j.log.Debug("journal: nats", "err", err) }),
	}
	options = append(options, j.logIn()...)
	for {
		conn, err := nats.Connect(strings.Join(j.cfg.Servers, ","), options...)
		if err == nil {
			j.conn = conn
			break
		}
		if !pause(ctx, time.Second/2) {
			return fmt.Errorf("%w: connect: %w", ErrDown, err)
		}
	}
	var err error
	j.js, err = jetstream.New(j.conn)
	return err
}

func (j *Journal) logIn() []nats.Option {
	if j.server != nil {
		return []nats.Option{nats.InProcessServer(j.server)}
	}
	var o []nats.Option
	c := &j.cfg.Credentials
	if c.User != "" {
		o = append(o, nats.UserInfo(c.User, c.Password.Reveal()))
	}
	if !c.Token.IsEmpty() {
		o = append(o, nats.Token(c.Token.Reveal()))
	}
	if c.File != "" {
		o = append(o, nats.UserCredentials(c.File))
	}
	if c.TLS != nil {
		o = append(o, nats.Secure(c.TLS))
	}
	return o
}

// pause waits and tells whether ctx is not over.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (j *Journal) streamName() string { return j.cfg.Name + "-log" }
func (j *Journal) subject() string    { return j.cfg.Name + ".log." + j.cfg.Node }

// prepare makes the stream and the bucket, or has them as we want them.
func (j *Journal) prepare(ctx context.Context) error {
	var err error
	if j.stream, err = j.ensure(ctx); err != nil {
		return err
	}
	j.bucket, err = j.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: j.cfg.Name + "-keys", Description: "keys with a time to live",
		TTL: j.cfg.MaxTTL, History: 1, Storage: jetstream.FileStorage, Replicas: j.cfg.Replicas,
	})
	return err
}

func (j *Journal) ensure(ctx context.Context) (jetstream.Stream, error) {
	return j.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: j.streamName(), Description: "every step of every call",
		Subjects: []string{j.cfg.Name + ".log.*"},
		Storage:  jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: j.cfg.MaxAge, MaxBytes: max(j.cfg.MaxBytes, -1), Replicas: j.cfg.Replicas,
		Duplicates: min(duplicates, j.cfg.MaxAge),
		// Without AllowDirect: what was acknowledged is there when it is read.
	})
}

// last gives the last message of this node; nil when there is none.
func (j *Journal) last(ctx context.Context) (*message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	raw, err := j.stream.GetLastMsgForSubject(ctx, j.subject())
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // an empty log has no last message
	}
	if err != nil {
		return nil, fmt.Errorf("read the last message: %w", err)
	}
	return &message{seq: raw.Sequence, data: raw.Data, at: raw.Time}, nil
}

func isNotFound(err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }
