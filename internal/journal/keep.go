package journal

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Recovery reads the log from the oldest message on that has the last entry of a call.
// For calls that stand for long, the last entry is copied to the end of the log, so
// that the way from there stays short and the log's age and size do not take it away.
// Readers never see a copy: to them it would be a repeat.

// What a message may carry of copies.
const (
	maxCopies    = 500
	maxCopyBytes = 64 << 10
)

// surveyAfter is after how many messages the store is asked how full it is.
const surveyAfter = 16

// survey asks the store how full it is, now and then: it drops the oldest messages when
// MaxBytes is reached, whichever node they are of, so what this node has written does not
// tell. When half of it is there, the last entries of calls must be in its newest quarter.
func (j *Journal) survey(ctx context.Context, b *batch) {
	k := &j.kept
	k.messages++
	k.bytes += int64(len(b.body))
	if j.cfg.MaxBytes < 0 || len(b.items) > 0 && k.messages < surveyAfter && k.bytes < j.cfg.MaxBytes/32 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, err := j.stream.Info(ctx)
	if err != nil {
		return // later, then
	}
	*k = kept{}
	st, edge := &info.State, uint64(0)
	if st.Bytes > uint64(j.cfg.MaxBytes)/2 {
		edge = st.LastSeq - (st.LastSeq-st.FirstSeq)/4
	}
	j.index.endangered(edge)
}

// kept counts since the last survey.
type kept struct {
	messages int
	bytes    int64
}

// copied is the copy of the last entry of a call.
type copied struct {
	call  string
	whole []byte
}

// copies gives what has to be copied now.
func (j *Journal) copies(ctx context.Context) []copied {
	var all []copied
	at := &j.page
	bytes, lost := 0, 0
	for _, p := range j.index.lagging(maxCopies, time.Now()) {
		if bytes > maxCopyBytes {
			break
		}
		if at.seq != p.pos.message() {
			m, err := j.fetch(ctx, p.pos.message())
			if err != nil && !isNotFound(err) {
				break // later, then
			}
			at.open(&m)
		}
		whole := at.find(p.pos)
		if whole == nil {
			j.index.forget(&p)
			lost++
			continue
		}
		all = append(all, copied{call: p.call, whole: whole})
		bytes += len(whole)
	}
	at.seq = 0 // a batch that was found has no entries for long
	if lost > 0 {
		j.log.Warn("journal: the last entries of calls cannot be read: these are not recovered after a crash", "calls", lost)
	}
	return all
}

// page is a message that is read from its first entry to its last, in room that the next
// one uses again.
type page struct {
	seq  uint64
	room []byte
	rest []byte // the entries that were not read
	next int    // the index of the first of them
}

func (g *page) open(m *message) {
	_, entries, err := entriesInto(g.room, m.data)
	if err != nil {
		entries = nil
	}
	if cap(entries) > cap(g.room) {
		g.room = entries[:0]
	}
	g.seq, g.rest, g.next = m.seq, entries, 0
}

// find gives a copy of an entry, marked as one; nil if it is not there. It must not be
// one before the last that was found.
func (g *page) find(p Position) (whole []byte) {
	var r record
	for len(g.rest) > 0 && whole == nil {
		rest, err := cutRecord(g.rest, &r)
		if err == nil && g.next == p.index() {
			whole = slices.Clone(r.whole)
			markCopy(whole)
		}
		g.rest, g.next = rest, g.next+1
	}
	return whole
}

// fetch reads one message. That it is not there is an error, and the message then has
// its number only.
func (j *Journal) fetch(ctx context.Context, seq uint64) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	raw, err := j.stream.GetMsg(ctx, seq)
	if err != nil {
		return message{seq: seq}, fmt.Errorf("read message %d: %w", seq, err)
	}
	return message{seq: seq, data: raw.Data, at: raw.Time}, nil
}
