package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// largestFrame is how long a frame, and a line of it, may be, in bytes.
const largestFrame = 1 << 20

var errLargeFrame = errors.New("an event of the stream is longer than 1 MiB")

// frame is what a stream of server-sent events has at a time.
type frame struct {
	id    string // of this frame, or else of the last that had one
	event string
	data  []byte
}

// frames reads a stream (HTML Living Standard section 9.2.6): lines end with CR, LF or
// both, and however the stream is cut into packets, a line or frame without its end is
// never taken for a whole one.
type frames struct {
	in    *bufio.Reader
	begun bool // the first line has been read
	cr    bool // the last line ended with CR: an LF that follows belongs to it
	line  []byte

	lastID string        // of the last frame that is complete, also of one without data
	retry  time.Duration // that the server wants; 0: it does not say
}

func newFrames(in io.Reader, lastID string) *frames {
	return &frames{in: bufio.NewReader(in), lastID: lastID}
}

// next gives the next frame that has data.
func (f *frames) next() (frame, error) {
	now := frame{id: f.lastID}
	for {
		line, err := f.readLine()
		if err != nil {
			return frame{}, err
		}
		if len(line) > 0 {
			if err := f.takeField(line, &now); err != nil {
				return frame{}, err
			}
			continue
		}
		f.lastID = now.id
		if n := len(now.data); n > 0 {
			now.data = now.data[:n-1] // the LF of its last line
			return now, nil
		}
		now = frame{id: f.lastID}
	}
}

// takeField takes a line that is not empty; a comment is a field without a name.
func (f *frames) takeField(line []byte, now *frame) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		now.event = string(value)
	case "data":
		if len(now.data)+len(value) > largestFrame {
			return errLargeFrame
		}
		now.data = append(append(now.data, value...), '\n')
	case "id":
		now.id = idOf(value, now.id)
	case "retry":
		f.setRetry(string(value))
	}
	return nil
}

// idOf reads an id. One that no header field could carry back to the server is ignored.
func idOf(value []byte, before string) string {
	if bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return before
	}
	return string(value)
}

// setRetry reads milliseconds, of which more than a day is a mistake.
func (f *frames) setRetry(text string) {
	const most = 24 * 60 * 60 * 1000
	if ms, err := strconv.ParseUint(text, 10, 64); err == nil && ms <= most {
		f.retry = time.Duration(ms) * time.Millisecond
	}
}

// readLine gives a line without its end, good until the next call. A line that the stream
// breaks off is an error.
func (f *frames) readLine() ([]byte, error) {
	f.line = f.line[:0]
	for {
		b, err := f.in.ReadByte()
		if err != nil {
			return nil, err
		}
		if b == '\n' && f.cr {
			f.cr = false
			continue
		}
		f.cr = b == '\r'
		if f.cr || b == '\n' {
			return f.withoutMark(), nil
		}
		if len(f.line) == largestFrame {
			return nil, errLargeFrame
		}
		f.line = append(f.line, b)
	}
}

// withoutMark is the line without the byte order mark that the first one may begin with.
func (f *frames) withoutMark() []byte {
	if f.begun {
		return f.line
	}
	f.begun = true
	return bytes.TrimPrefix(f.line, []byte("\ufeff"))
}
