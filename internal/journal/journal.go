package journal

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callcontroller/internal/journal/ahead"
	"callcontroller/internal/secret"
)

// Config says where the log is and what is kept of it.
type Config struct {
	// Servers are NATS URLs, "nats://host:4222" or "tls://host:4222". Without one the
	// server is in this process.
	Servers     []string
	Credentials Credentials
	// Dir is where the server in this process has its files, and where what is not in the
	// log yet is written ahead of it, see Secure: with Servers it may be empty, and Secure
	// waits for them. It is made when it is not there. One process at a time may have it.
	Dir string
	// Name begins the names of the stream and the bucket; default "callcontroller".
	// Letters, digits, "-" and "_".
	Name string
	// Node is who writes here, where several processes share Servers; default "1". Two
	// that run at the same time must not have the same. Letters, digits, "-" and "_".
	Node string
	// Replicas is on how many Servers the log is; default 1.
	Replicas int
	// MaxAge is how long entries are kept; default 7 days.
	MaxAge time.Duration
	// MaxBytes is how much is kept; default 4 GiB, none when negative. What is older
	// goes, but for the last entries of calls that live, which are copied onwards while
	// they have less than an eighth of it.
	MaxBytes int64
	// MaxQueue is how many bytes may wait while the store is slow or away; default
	// 64 MiB. A new call is refused from a quarter of it on.
	MaxQueue int
	// MaxTTL is the longest time-to-live of a key; default 24 hours.
	MaxTTL time.Duration
	// Linger is how long the first entry of a message waits for company while there is
	// much to do; default 10 ms. An entry that comes after a pause does not wait.
	Linger time.Duration
	// Sync is how often the server in this process has its files written to the disk: a
	// power cut loses what came since. Default 1 s; SyncAlways: before it acknowledges.
	Sync time.Duration
	// Log gets what goes wrong. What the NATS server says is at debug level.
	Log *slog.Logger
}

// SyncAlways is the Config.Sync that loses nothing in a power cut.
const SyncAlways time.Duration = -1

// Credentials are how one logs in to Servers: at most one kind.
type Credentials struct {
	User     string
	Password secret.Text
	Token    secret.Text
	File     string      // a NATS credentials file
	TLS      *tls.Config // roots and client certificate; nil: the system's roots
}

func (c Config) withDefaults() Config {
	set(&c.Name, "callcontroller")
	set(&c.Node, "1")
	set(&c.Replicas, 1)
	set(&c.MaxAge, 7*24*time.Hour)
	set(&c.MaxBytes, 4<<30)
	set(&c.MaxQueue, 64<<20)
	set(&c.MaxTTL, 24*time.Hour)
	set(&c.Linger, 10*time.Millisecond)
	set(&c.Sync, time.Second)
	set(&c.Log, slog.New(slog.DiscardHandler))
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) validate() error {
	var all []error
	for _, f := range [][2]string{{"Name", c.Name}, {"Node", c.Node}} {
		if !isToken(f[1]) {
			all = append(all, fmt.Errorf("%s %q: letters, digits, \"-\" and \"_\" only", f[0], f[1]))
		}
	}
	if len(c.Servers) == 0 && c.Dir == "" {
		all = append(all, errors.New("neither Dir nor Servers is set"))
	}
	if c.MaxBytes > 0 && c.MaxBytes < 4<<20 {
		all = append(all, fmt.Errorf("MaxBytes %d: at least %d", c.MaxBytes, 4<<20))
	}
	return errors.Join(all...)
}

// isToken tells whether s can be part of a stream's name and of a subject.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// Journal is the log. Use Open. All methods may be called at the same time.
type Journal struct {
	cfg    Config
	log    *slog.Logger
	server *server // nil: it is not in this process
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	bucket jetstream.KeyValue

	epoch uint64
	queue queue
	index *index
	kept  kept // is the writer's
	page  page // too
	bad   complaints

	ahead      *ahead.File   // nil: there is none
	base       uint64        // the last message before those of this epoch
	writing    sync.Mutex    // of what follows, and of the use of ahead
	aheadFails bool          // the last attempt to write it has failed
	gone       bool          // nothing more is written there
	leaving    chan struct{} // closed when the writer leaves
	hurried    chan struct{} // closed when only the writer has it

	ctx     context.Context //nolint:containedctx // ends what is under way when the journal closes
	stop    context.CancelFunc
	written chan struct{} // closed when the writer has ended
	left    error         // of the writer's end: something is lost
	room    []byte        // of the writer's last message
	joined  []byte        // copies and entries of it
}

// Open starts the server, if it is in this process, and finds out which calls live. It
// waits for Servers until ctx is over.
func Open(ctx context.Context, c Config) (*Journal, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{cfg: c, log: c.Log, index: newIndex(c.MaxAge), written: make(chan struct{}), leaving: make(chan struct{}), hurried: make(chan struct{})}
	j.queue = queue{limit: c.MaxQueue, linger: c.Linger, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
	j.ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	var epoch [8]byte
	_, _ = rand.Read(epoch[:]) // never fails
	j.epoch = binary.BigEndian.Uint64(epoch[:])
	if err := j.open(ctx); err != nil {
		j.stop()
		j.disconnect()
		return nil, fmt.Errorf("journal: %w", err)
	}
	go j.write()
	if j.ahead != nil {
		go j.writeAhead()
	}
	return j, nil
}

func (j *Journal) open(ctx context.Context) error {
	if len(j.cfg.Servers) == 0 {
		j.server = &server{dir: j.cfg.Dir, sync: j.cfg.Sync, log: j.log}
		if err := j.server.open(); err != nil {
			return err
		}
	}
	if err := j.openAhead(); err != nil {
		return err
	}
	if err := j.connect(ctx); err != nil {
		return err
	}
	if err := j.prepare(ctx); err != nil {
		return err
	}
	if err := j.bringBack(ctx); err != nil {
		return err
	}
	if err := j.catchUp(ctx); err != nil {
		return err
	}
	return j.replay(ctx)
}

// Append takes an entry into the log and does not wait until it is there: done, which
// may be nil, is called once when it is, with its place, or can never be. It is called on
// the writer's goroutine and must not block. Data and State are copied.
//
// An error says that the entry was not taken, and done is not called: ErrDown or
// ErrBehind for the first entry of a call while the store does not do well, and for any
// entry once MaxQueue is full; ErrTooLarge; ErrClosed.
func (j *Journal) Append(e Entry, done func(Position, error)) error {
	return j.queue.add(&e, done)
}

// Health tells why a new call would be refused: an ErrDown, an ErrFull, an ErrBehind, or
// nil. A disk that is full is seen with the next entry.
func (j *Journal) Health() error { return j.queue.health() }

// Close stores what was appended and stops the server. When ctx is over, what is not stored
// is left for the next Open, if there is a Dir that takes it; else it is lost, and that is
// the error.
func (j *Journal) Close(ctx context.Context) error {
	j.queue.close()
	select {
	case <-j.written:
	case <-ctx.Done():
	}
	j.stop()
	<-j.written
	j.disconnect()
	if j.left != nil {
		return fmt.Errorf("journal: %w", j.left)
	}
	return nil
}

func (j *Journal) disconnect() {
	if j.conn != nil {
		j.conn.Close()
	}
	if j.server != nil {
		j.server.close()
	}
	if j.ahead != nil {
		_ = j.ahead.Close() // nothing is buffered
	}
}
