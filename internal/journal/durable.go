package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// durable gives the consumer of a worker, and makes it where there is none. A worker that
// has come farther than the log, the end of which was lost, begins with the next entry: it
// would get nothing until the log is as long as it was.
func (j *Journal) durable(ctx context.Context, name string) (jetstream.Consumer, error) {
	config := jetstream.ConsumerConfig{
		Durable: name, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxAckPending: maxWaiting, MaxDeliver: -1,
	}
	c, err := j.stream.CreateOrUpdateConsumer(ctx, config)
	if err != nil {
		return nil, err
	}
	_, last, err := j.Bounds(ctx)
	if err != nil || c.CachedInfo().Delivered.Stream <= last.message() {
		return c, err
	}
	if err := j.DeleteWorker(ctx, name); err != nil {
		return nil, err
	}
	return j.stream.CreateOrUpdateConsumer(ctx, config)
}

// bringBack makes workers anew that the server in this process cannot go on with, since
// its files are damaged. This node has appended nothing yet: they miss nothing of what
// comes.
func (j *Journal) bringBack(ctx context.Context) error {
	if j.server == nil {
		return nil
	}
	for _, name := range j.server.workers(j.streamName()) {
		_, err := j.durable(ctx, name)
		if _, known := j.stream.Consumer(ctx, name); errors.Is(known, jetstream.ErrConsumerNotFound) {
			err = j.anew(ctx, name)
		}
		if err != nil {
			return fmt.Errorf("worker %s: %w", name, err)
		}
	}
	return nil
}

// anew makes a worker of which there are files that cannot be read.
func (j *Journal) anew(ctx context.Context, name string) error {
	if err := j.server.discard(j.streamName(), name); err != nil {
		return err
	}
	_, err := j.durable(ctx, name)
	return err
}
