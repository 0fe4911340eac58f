package events

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"callcontroller/internal/journal"
)

// frames are a stream of server-sent events.
type frames struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	ending  atomic.Bool
	buffer  []byte
}

// begin sends the head of the answer.
func begin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // A proxy of nginx would keep events back.
	w.WriteHeader(http.StatusOK)
}

// newFrames takes the time limits of ordinary answers away: net/http would end the
// request when the one for reading it is over, which it is waiting for the next one with.
func newFrames(w http.ResponseWriter, timeout time.Duration) *frames {
	f := &frames{w: w, control: http.NewResponseController(w), timeout: timeout}
	_ = f.control.SetReadDeadline(time.Time{}) // There is none where it cannot be set.
	begin(w)
	return f
}

func (f *frames) begin(after journal.Position) error {
	if err := f.write(append(appendID(nil, after), '\n')); err != nil {
		return err
	}
	return f.flush()
}

func (f *frames) event(e *journal.Entry) error {
	b := appendID(f.buffer[:0], e.Position)
	b = append(append(b, "event: "...), e.Event...)
	b = appendEvent(append(b, "\ndata: "...), e)
	b = append(b, "\n\n"...)
	f.buffer = b
	return f.write(b)
}

func (f *frames) gap(g *journal.GoneError) error {
	f.buffer = append(f.buffer[:0], "event: gap\ndata: "...)
	f.buffer = append(appendGap(f.buffer, g, ""), "\n\n"...)
	return f.write(f.buffer)
}

func (f *frames) beat() error {
	if err := f.write([]byte(":\n\n")); err != nil {
		return err
	}
	return f.flush()
}

func (f *frames) write(b []byte) error {
	return f.limited(func() error {
		_, err := f.w.Write(b)
		return err
	})
}

func (f *frames) flush() error { return f.limited(f.control.Flush) }

// limited does something that waits for the client.
func (f *frames) limited(do func() error) error {
	start := time.Now()
	_ = f.control.SetWriteDeadline(start.Add(f.timeout))
	if f.ending.Load() {
		f.hurry()
	}
	err := do()
	if err != nil && time.Since(start) >= f.timeout {
		return errSlow
	}
	return err
}

func (f *frames) hurry() {
	f.ending.Store(true)
	_ = f.control.SetWriteDeadline(time.Now().Add(endTimeout))
}

// end leaves the rest to net/http. That a stream has ended is all that the client sees:
// it comes back and learns why.
func (f *frames) end(ending) { f.hurry() }

func appendID(b []byte, p journal.Position) []byte {
	return append(strconv.AppendUint(append(b, "id: "...), uint64(p), 10), '\n')
}

// isObject tells whether data is an object that has something, as JSON.
func isObject(data []byte) bool { return len(data) > 2 && data[0] == '{' }

// appendEvent adds an api.Event as JSON: what the journal has, and its place there.
func appendEvent(b []byte, e *journal.Entry) []byte {
	b = strconv.AppendUint(append(b, `{"id":"`...), uint64(e.Position), 10)
	return append(append(b, `",`...), e.Data[1:]...)
}

// appendGap adds a gap as JSON, behind the members that it begins with.
func appendGap(b []byte, g *journal.GoneError, members string) []byte {
	b = append(append(b, '{'), members...)
	b = strconv.AppendUint(append(b, `"after":"`...), uint64(g.After), 10)
	b = strconv.AppendUint(append(b, `","first":"`...), uint64(g.First), 10)
	return append(b, `"}`...)
}
