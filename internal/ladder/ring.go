package ladder

import "callcontroller/internal/sip"

// The sizes of a segment and of what is in it, in bytes. Most messages have half a KB to
// one, so that text and rows are full at about the same time.
const (
	segmentText = sip.MaxMessageSize
	segmentRows = 128
	rowSize     = 72
	segmentSize = segmentText + segmentRows*rowSize

	// legSize is what a leg takes beside the ring, which is counted as if it were text.
	legSize = 320
)

// ring is a list of segments that come round: when there are as many as there may be, the
// next one is the one that was filled first, and loses what it has.
type ring struct {
	most     int
	segments []*segment
	last     int // the one that is being filled
}

// segment is what is left out at once. It takes its memory at once, too, so that it needs
// none while it is filled.
type segment struct {
	text []byte
	rows []row
}

// row is a message, whose text begins where that of the row before it ends.
type row struct {
	leg  *leg
	at   int64 // nanoseconds since 1970 (UTC)
	peer Peer
	end  int32 // of its text
	kind kind
}

type kind uint8

const (
	called   kind = iota // no message: the leg is known from here on
	sent                 // by us
	received             // by us
)

// turn goes on to the next segment when there is no room for one more row with so much
// text, and gives the rows that were left out for that.
func (r *ring) turn(size int) (old []row) {
	if n := len(r.segments); n > 0 {
		s := r.segments[r.last]
		if len(s.rows) < segmentRows && len(s.text)+size <= segmentText {
			return nil
		}
		r.last = (r.last + 1) % r.most
	}
	if r.last == len(r.segments) {
		r.segments = append(r.segments, &segment{make([]byte, 0, segmentText), make([]row, 0, segmentRows)})
		return nil
	}
	s := r.segments[r.last]
	old = s.rows
	s.text, s.rows = s.text[:0], s.rows[:0]
	return old
}

// add puts a row behind the last one and gives the place of its text. There is room.
func (r *ring) add(w row, size int) []byte {
	s := r.segments[r.last]
	begin := len(s.text)
	s.text = s.text[:begin+size]
	w.end = int32(begin + size) //nolint:gosec // at most segmentText
	s.rows = append(s.rows, w)
	return s.text[begin:]
}

// all calls yield for each message, the oldest first.
func (r *ring) all(yield func(w *row, text []byte)) {
	for i := range r.segments {
		s := r.segments[(r.last+1+i)%len(r.segments)]
		begin := int32(0)
		for j := range s.rows {
			w := &s.rows[j]
			if w.kind != called {
				yield(w, s.text[begin:w.end])
			}
			begin = w.end
		}
	}
}
