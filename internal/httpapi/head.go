package httpapi

import (
	"bytes"
	"strconv"
)

// headCheck reads along with net/http and finds requests whose end another HTTP program
// could see elsewhere (request smuggling, row R13; RFC 9112 section 11.2). net/http
// takes some that RFC 9112 lets it take; here they are refused, since what stands in
// front of this server may read them otherwise:
//
//   - a line that ends with a bare LF, or goes on in the next (sections 2.2, 5.2)
//   - two Content-Length, or one beside a Transfer-Encoding (section 6.3)
//   - a Transfer-Encoding in HTTP/1.0 (section 6.1)
//
// Behind a chunked body or an upgrade it no longer knows where a request begins. Such a
// connection ends with its response, see capped.
type headCheck struct {
	line    [headPrefix]byte // the front of the current line
	length  int              // of that line so far
	lines   int              // of this head before it
	body    int64            // bytes that are left of the body
	cr      bool             // the last byte was CR
	modern  bool             // HTTP/1.1
	sized   bool             // a Content-Length has come
	chunked bool             // a Transfer-Encoding has come
	lost    bool             // where requests begin is not known any more
}

// headPrefix is what is kept of a line: enough for the fields that tell how long a body is.
const headPrefix = 64

// scan reads what came next. It gives how much of it is good, which is all but for a
// fault; after a fault there is nothing more to scan.
func (h *headCheck) scan(p []byte) int {
	for i := 0; i < len(p) && !h.lost; {
		if h.body > 0 {
			skip := min(int64(len(p)-i), h.body)
			h.body -= skip
			i += int(skip)
			continue
		}
		if !h.take(p[i]) {
			return i
		}
		i++
	}
	return len(p)
}

// take reads one byte of a head and tells false when it makes a fault.
func (h *headCheck) take(b byte) bool {
	if b != '\n' {
		if h.length < len(h.line) {
			h.line[h.length] = b
		}
		h.length++
		h.cr = b == '\r'
		return h.length > 1 || h.lines == 0 || b != ' ' && b != '\t'
	}
	if !h.cr {
		return false
	}
	ok := h.end(h.length - 1)
	h.length, h.cr = 0, false
	return ok
}

// end takes a whole line of that length, without its CRLF.
func (h *headCheck) end(length int) bool {
	line := h.line[:min(length, len(h.line))]
	switch {
	case length == 0 && h.lines > 0:
		h.next()
		return true
	case h.lines == 0:
		h.modern = h.isModern(length)
		h.lines++
		return true
	}
	h.lines++
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		return length <= len(h.line) && h.contentLength(value)
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		h.chunked = true
		return !h.sized && h.modern
	case bytes.EqualFold(name, []byte("Upgrade")):
		h.lost = true
	}
	return true
}

// isModern tells whether a request line ends in HTTP/1.1. Of a long one the end is not
// kept: it is taken for one, since only a Transfer-Encoding in an older one is a fault,
// and no client of HTTP/1.0 sends such a line.
func (h *headCheck) isModern(length int) bool {
	return length > len(h.line) || bytes.HasSuffix(h.line[:length], []byte("HTTP/1.1"))
}

func (h *headCheck) contentLength(value []byte) bool {
	n, err := strconv.ParseUint(string(bytes.Trim(value, " \t")), 10, 62)
	if err != nil || h.sized || h.chunked {
		return false
	}
	h.sized, h.body = true, -int64(n) // It begins when the head is over.
	return true
}

// next is the end of a head.
func (h *headCheck) next() {
	*h = headCheck{body: -h.body, lost: h.lost || h.chunked}
}
