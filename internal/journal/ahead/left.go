package ahead

import (
	"cmp"
	"slices"
)

// End says what the log has: its last message, which epoch has written it, and as which
// batch. All are 0 where there is none.
type End struct {
	Message uint64
	Epoch   uint64
	Batch   uint64
}

// Batch is what is left of a batch that is not in the log: its first entries.
type Batch struct {
	Epoch  uint64
	Number uint64
	Body   []byte
}

// Left gives what was written and is not in the log, in order and without a gap: what
// comes behind damage is given up. Lost is how many bytes can be read and cannot be
// brought into the log, since there would be a gap, or they are of a log of long ago.
func (f *File) Left(end End) (left []Batch, lost int, err error) {
	var all []Piece
	for _, file := range f.files {
		some, err := pieces(file)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(p, q Piece) int { return cmp.Compare(p.At, q.At) })
	left, lost = end.after(all)
	return left, lost, nil
}

// after puts together the batches that come after the end of the log.
func (e End) after(all []Piece) (left []Batch, lost int) {
	var last *Piece
	for i := range all {
		p := &all[i]
		switch {
		case p.Epoch == e.Epoch && p.Batch <= e.Batch:
		case lost > 0 || !e.precedes(p) && last == nil || last != nil && !p.continues(last):
			lost += len(p.Body)
		case last == nil || last.Batch != p.Batch:
			left = append(left, Batch{Epoch: p.Epoch, Number: p.Batch, Body: p.Body})
			last = p
		default:
			b := &left[len(left)-1]
			b.Body, last = append(slices.Clip(b.Body), p.Body...), p
		}
	}
	return left, lost
}

// precedes tells whether the log has all that comes before a piece, and nothing else.
func (e End) precedes(p *Piece) bool {
	switch {
	case p.Offset != 0:
		return false
	case p.Epoch == e.Epoch:
		return p.Before <= e.Batch
	default:
		return p.Before == 0 && p.Base == e.Message
	}
}

// continues tells whether nothing is missing between two pieces.
func (p *Piece) continues(q *Piece) bool { return p.Epoch == q.Epoch && p.At == q.end() }
