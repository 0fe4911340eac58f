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
	seen       int // bytes of the message in which the end of the header was looked for in vain
	size       int // of the message, known once its header is whole; else 0
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
//
// A message that comes byte by byte costs not much more than one that comes whole:
// its header is looked at again only when that has ended.
func (f *frames) next() (msg []byte, ping bool, err error) {
	if f.seen == 0 {
		ping = f.skipLineEnds()
	}
	rest := f.rest()
	if f.size == 0 && !f.headerEnds(rest) && len(rest) <= sip.MaxMessageSize {
		return nil, ping, nil
	}
	if f.size == 0 {
		if _, f.size, err = sip.FrameSize(rest); err != nil {
			return nil, ping, err
		}
	}
	if f.size == 0 || f.size > len(rest) {
		return nil, ping, nil
	}
	msg = rest[:f.size]
	f.start += f.size
	f.seen, f.size, f.blank = 0, 0, 0
	return msg, ping, nil
}

func (f *frames) skipLineEnds() (ping bool) {
	before := f.rest()
	after := bytes.TrimLeft(before, "\r\n")
	skipped := len(before) - len(after)
	f.start += skipped
	f.blank += bytes.Count(before[:skipped], []byte{'\n'})
	if f.blank < 2 {
		return false
	}
	f.blank %= 2
	return true
}

// headerEnds looks for an empty line where it has not looked before.
func (f *frames) headerEnds(rest []byte) bool {
	fresh := rest[max(0, f.seen-2):] // "\n\r" may have come before.
	f.seen = len(rest)
	return bytes.Contains(fresh, []byte("\n\n")) || bytes.Contains(fresh, []byte("\n\r\n"))
}
