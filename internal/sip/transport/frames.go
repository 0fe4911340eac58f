package transport

import (
	"bytes"

	"callcontroller/internal/sip"
)

// Sizes of the buffer of a stream, in bytes.
const (
	bufferStart = 4 << 10  // of an idle connection
	bufferKeep  = 16 << 10 // a larger one is given back once it is empty
	bufferFree  = 1 << 10  // the least that a read is offered
)

// frames cuts what a stream brings into messages (RFC 3261 section 18.3). The
// zero value is ready. It is for one goroutine.
type frames struct {
	buf        []byte
	start, end int // buf[start:end] is what no message was made of yet
	blank      int // line ends since the last message or ping
}

// room is where the next read goes; what next gave before is no longer valid.
func (f *frames) room() []byte {
	f.end = copy(f.buf, f.rest())
	f.start = 0
	if f.end == 0 && len(f.buf) > bufferKeep {
		f.buf = nil
	}
	if len(f.buf)-f.end < bufferFree {
		grown := make([]byte, max(bufferStart, 2*len(f.buf)))
		copy(grown, f.buf[:f.end])
		f.buf = grown
	}
	return f.buf[f.end:]
}

// filled tells that n bytes were read into room.
func (f *frames) filled(n int) { f.end += n }

// rest is what no message was made of yet.
func (f *frames) rest() []byte { return f.buf[f.start:f.end] }

// next gives the next whole message, nil while more bytes are needed. ping tells
// that a keep-alive stood before it, or alone: two line ends between messages
// (RFC 5626 section 3.5.1). An error means that the stream has to be closed.
func (f *frames) next() (msg []byte, ping bool, err error) {
	skip, n, err := sip.Frame(f.rest())
	f.blank += bytes.Count(f.rest()[:skip], []byte{'\n'})
	f.start += skip
	if f.blank >= 2 {
		ping, f.blank = true, f.blank%2
	}
	if n > 0 {
		msg = f.rest()[:n]
		f.start += n
		f.blank = 0
	}
	return msg, ping, err
}
