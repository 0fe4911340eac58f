package sip

import (
	"bytes"
	"errors"
	"fmt"
)

// Faults of a stream after which its framing is lost, so that it must be closed.
var (
	ErrNoLength  = errors.New("message on a stream without a Content-Length")
	ErrBadLength = fmt.Errorf("message on a stream whose Content-Length is not a number up to %d", MaxMessageSize)
)

// Frame finds the first message in what a stream has brought so far (RFC 3261
// section 18.3: Content-Length delimits it). skip is the number of empty-line
// bytes before it (keep-alives of RFC 5626), n its length after those; n is 0
// while more bytes are needed. An error means that the stream cannot be followed
// any further.
func Frame(buf []byte) (skip, n int, err error) {
	skip, n, err = FrameSize(buf)
	if n > len(buf)-skip {
		n = 0
	}
	return skip, n, err
}

// FrameSize is Frame for who gets a message in many pieces: n is known as soon as
// the header is whole, though more of the body may have to come. So nobody needs
// to ask again, and have the header read again, before n bytes are there.
func FrameSize(buf []byte) (skip, n int, err error) {
	for skip < len(buf) && (buf[skip] == '\r' || buf[skip] == '\n') {
		skip++
	}
	rest := buf[skip:]
	header := headerEnd(rest)
	if header < 0 {
		if len(rest) > MaxMessageSize {
			return skip, 0, ErrTooLarge
		}
		return skip, 0, nil
	}
	body, err := frameLength(rest[:header])
	if err != nil {
		return skip, 0, err
	}
	if header+body > MaxMessageSize {
		return skip, 0, ErrTooLarge
	}
	return skip, header + body, nil
}

// headerEnd is the offset behind the empty line, -1 when it has not come yet.
func headerEnd(b []byte) int {
	for i := 0; i < len(b); {
		nl := bytes.IndexByte(b[i:], '\n')
		if nl < 0 {
			return -1
		}
		i += nl + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
	return -1
}

func frameLength(header []byte) (int, error) {
	length, given := 0, false
	for line := range bytes.Lines(header) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || HeaderOf(string(bytes.TrimRight(name, " \t"))) != ContentLength {
			continue
		}
		n, ok := parseUint(string(bytes.TrimSpace(value)), MaxMessageSize)
		if !ok || given && int(n) != length {
			return 0, ErrBadLength
		}
		length, given = int(n), true
	}
	if !given {
		return 0, ErrNoLength
	}
	return length, nil
}
