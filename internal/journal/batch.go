package journal

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"
)

// A message of the stream is a batch: the entries of all calls of some milliseconds.
// A message costs the same whether it carries one entry or fifty, and that is most of
// what the journal costs.
//
//	version  1 byte
//	epoch    8 bytes   random; which opening of the journal wrote it
//	number   uvarint   counts the batches of the epoch
//	low      uvarint   the message before which no call that lives has its last entry;
//	                   0: no message before this one is needed
//	entries            the copies first, see keep; all together as one block of S2
//
// Entries of a batch are much alike, and a message is copied often on its way to the disk
// and back: compressed, it costs less than it would as it is.
//
// An entry is its length as uvarint, then flags (1 byte), seq (uvarint), time (varint,
// Unix nanoseconds), call, event, agent, data, each with its length as uvarint, and
// the state, which is the rest.
const version = 1

const (
	// MaxEntry is the most that an entry may have, in bytes, all its parts together.
	MaxEntry = 256 << 10
	// maxBatch and maxEntries are what an ordinary batch has at most. With the copies
	// it stays below the 1 MiB that a NATS message may have, and below lastIndex.
	maxBatch   = 256 << 10
	maxEntries = 500
)

const (
	flagFinal = 1 << iota // the call is over
	flagCopy              // a copy of an entry that a reader has had before
)

var errMalformed = errors.New("not a batch of journal entries")

// head is what a message says before its entries.
type head struct {
	epoch  uint64
	number uint64
	low    uint64
}

func appendHead(b []byte, h head) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	b = binary.AppendUvarint(b, h.number)
	return binary.AppendUvarint(b, h.low)
}

// cutHead reads the head and gives what follows it.
func cutHead(b []byte) (h head, entries []byte, err error) {
	if len(b) < 9 || b[0] != version {
		return h, nil, errMalformed
	}
	d := decoder{b: b[9:]}
	h = head{epoch: binary.BigEndian.Uint64(b[1:]), number: d.uvarint(), low: d.uvarint()}
	if d.bad {
		return h, nil, errMalformed
	}
	return h, d.b, nil
}

// size is an upper bound of what appendEntry adds.
func size(e *Entry) int {
	return 7*binary.MaxVarintLen64 + len(e.Call) + len(e.Event) + len(e.Agent) + len(e.Data) + len(e.State)
}

// appendEntry adds an entry, whose time is at.
func appendEntry(b []byte, e *Entry, at int64) []byte {
	state, flags := e.State, byte(0)
	if e.Final {
		state, flags = nil, flagFinal
	}
	// The length goes before what it measures: 3 bytes always, which a uvarint may have.
	start := len(b)
	b = append(b, 0, 0, 0, flags)
	b = binary.AppendUvarint(b, e.Seq)
	b = binary.AppendVarint(b, at)
	b = appendString(b, e.Call)
	b = appendString(b, e.Event)
	b = appendString(b, e.Agent)
	b = binary.AppendUvarint(b, uint64(len(e.Data)))
	b = append(b, e.Data...)
	b = append(b, state...)
	n := len(b) - start - 3
	b[start], b[start+1], b[start+2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// record is an entry as it stands in a message. Its parts are parts of the message.
type record struct {
	whole              []byte // with its length
	flags              byte
	seq                uint64
	at                 int64
	call, event, agent []byte
	data, state        []byte
}

// cutRecord reads the first entry of b and gives what follows it.
func cutRecord(b []byte, r *record) (rest []byte, err error) {
	d := decoder{b: b}
	body := d.bytes()
	if d.bad || len(body) == 0 {
		return nil, errMalformed
	}
	rest, r.whole, r.flags = d.b, b[:len(b)-len(d.b)], body[0]
	d.b = body[1:]
	r.seq, r.at = d.uvarint(), d.varint()
	r.call, r.event, r.agent, r.data = d.bytes(), d.bytes(), d.bytes(), d.bytes()
	if d.bad {
		return nil, errMalformed
	}
	r.state = d.b
	return rest, nil
}

// flags of an entry stand behind its length.
func markCopy(whole []byte) {
	_, n := binary.Uvarint(whole)
	whole[n] |= flagCopy
}

func (r *record) entry(p Position) Entry {
	return Entry{
		Call: string(r.call), Seq: r.seq, Event: string(r.event), Agent: string(r.agent),
		Final: r.flags&flagFinal != 0, Time: time.Unix(0, r.at), Data: r.data, Position: p,
	}
}

// appendEntries adds what stands behind the head: entries as they are, compressed.
func appendEntries(b, entries []byte) []byte {
	n := len(b)
	b = slices.Grow(b, s2.MaxEncodedLen(len(entries)))
	return b[:n+len(s2.Encode(b[n:cap(b)], entries))]
}

// maxEntriesLen is more than the entries and copies of any message have.
const maxEntriesLen = 4 << 20

// entriesInto gives the entries of a message, in room if they have that, and its head.
func entriesInto(room, data []byte) (head, []byte, error) {
	h, block, err := cutHead(data)
	if err != nil {
		return h, nil, err
	}
	if n, err := s2.DecodedLen(block); err != nil || n > maxEntriesLen {
		return h, nil, errMalformed
	}
	b, err := s2.Decode(room[:cap(room)], block)
	if err != nil {
		return h, nil, errMalformed
	}
	return h, b, nil
}

// records gives the entries of a message in order to do, which says whether to go on.
func records(data []byte, do func(index int, r *record) bool) (head, error) {
	h, b, err := entriesInto(nil, data)
	var r record
	for i := 0; err == nil && len(b) > 0; i++ {
		if i == lastIndex {
			return h, errMalformed // no position is left
		}
		if b, err = cutRecord(b, &r); err == nil && !do(i, &r) {
			break
		}
	}
	return h, err
}

// decoder reads from the front of b. Once something does not fit, it is bad and gives
// zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.b, d.bad = nil, true
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	part := d.b[:n:n]
	d.b = d.b[n:]
	return part
}
