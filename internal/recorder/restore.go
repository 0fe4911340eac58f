package recorder

import (
	"context"
	"fmt"
	"iter"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
	"callcontroller/internal/journal"
	"callcontroller/internal/pack"
)

// Live has the last entry of each call that is not forgotten.
type Live interface {
	Live(ctx context.Context) iter.Seq2[journal.Entry, error]
}

// Restore gives every call that the journal has and that is not forgotten, as restored by
// the engine, to take. One that cannot be read is left out, and the log says so.
func (r *Recorder) Restore(ctx context.Context, from Live, e *engine.Engine, take func(*engine.Running)) error {
	for entry, err := range from.Live(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.log.Error("not all calls can be restored", "error", err)
			continue
		}
		running, err := restore(&entry, e)
		if err != nil {
			r.log.Error("a call cannot be restored", "call", entry.Call, "error", err)
			r.append(&journal.Entry{Call: entry.Call, Seq: entry.Seq, Agent: entry.Agent, Final: true}, nil)
			continue
		}
		if c := running.Snapshot(); c.State == call.Ended {
			r.archive.Add(c)
		}
		take(running)
	}
	return nil
}

func restore(entry *journal.Entry, e *engine.Engine) (*engine.Running, error) {
	p := pack.NewReader(entry.State)
	saved := p.Bytes()
	if err := p.Err(); err != nil {
		return nil, err
	}
	c, err := call.Restore(saved)
	if err != nil {
		return nil, err
	}
	if string(c.ID) != entry.Call {
		return nil, fmt.Errorf("it is the call %q", c.ID)
	}
	return e.Restore(&engine.Saved{Call: c, Legs: p.Rest(), Age: time.Since(entry.Time), Told: entry.Seq})
}
