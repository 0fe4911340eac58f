package ahead

import (
	"encoding/binary"
	"hash/crc32"
)

// Piece is a part of a batch of entries: some that follow one another.
type Piece struct {
	Epoch uint64 // which opening of the journal has written it
	Base  uint64 // the last message of the log when the epoch began; 0 for none
	Batch uint64 // the number of the batch in the epoch
	// Before is the number of the batch with entries that comes before it; 0 for none.
	Before uint64
	At     uint64 // the bytes of entries that the epoch has before this piece
	Offset uint64 // those that the batch has before it
	Body   []byte
}

// end is At of what comes next.
func (p *Piece) end() uint64 { return p.At + uint64(len(p.Body)) }

// follows tells whether a piece was written after another one, in the same turn: what is
// left of an earlier turn was written before.
func (p *Piece) follows(q *Piece) bool { return p.Epoch == q.Epoch && p.At >= q.end() }

// A piece in a file: a sum and a length, of what comes behind them, of 4 bytes each; six
// numbers of 8 bytes; the body. All are little-endian, and the sum is CRC-32C of what
// comes behind it.
const (
	sumLen  = 4
	headLen = sumLen + 4 + 6*8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendPiece(b []byte, p *Piece) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(6*8+len(p.Body))) //nolint:gosec // a body is part of a message
	for _, n := range [...]uint64{p.Epoch, p.Base, p.Batch, p.Before, p.At, p.Offset} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = append(b, p.Body...)
	binary.LittleEndian.PutUint32(b[start:], crc32.Checksum(b[start+sumLen:], castagnoli))
	return b
}

// cutPiece reads the first piece of b and gives what follows it.
func cutPiece(b []byte) (p Piece, rest []byte, ok bool) {
	if len(b) < headLen {
		return p, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b[sumLen:])) + sumLen + 4
	if n < headLen || n > uint64(len(b)) {
		return p, nil, false
	}
	b, rest = b[:n], b[n:]
	if crc32.Checksum(b[sumLen:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return p, nil, false
	}
	p.Body = b[headLen:]
	for i, field := range [...]*uint64{&p.Epoch, &p.Base, &p.Batch, &p.Before, &p.At, &p.Offset} {
		*field = binary.LittleEndian.Uint64(b[sumLen+4+8*i:])
	}
	return p, rest, true
}
