package sdp

import (
	"fmt"
	"math"

	"callcontroller/internal/pack"
)

// Save adds to b what Restore needs to go on with the leg in another process.
func (s *Leg) Save(b []byte) []byte {
	b = pack.Uint(pack.Uint(pack.Uint(pack.String(b, s.Host), s.ID), s.Port), s.version)
	b = pack.Uint(b, uint64(len(s.slots)))
	for _, t := range s.slots {
		b = pack.Int(pack.String(b, t.kind.Value()), t.peer)
	}
	return b
}

// skipped is how many versions of the description a restored leg leaves out: the phone
// may have been told some that were not saved, and must not take the next for one of
// them.
const skipped = 64

// Restore takes what Save wrote.
func (s *Leg) Restore(saved []byte) error {
	r := pack.NewReader(saved)
	*s = Leg{Host: r.String(), ID: r.Uint(math.MaxUint64), Port: uint16(r.Uint(math.MaxUint16)), version: uint32(r.Uint(math.MaxUint32-skipped) + skipped)} //nolint:gosec // as the lines say
	for range r.Uint(maxMedia) {
		t := newSlot(r.String())
		t.peer = int16(r.Int()) //nolint:gosec // checked below
		s.slots = append(s.slots, t)
	}
	for _, t := range s.slots {
		if t.peer < unpaired || t.peer >= maxMedia {
			r.Fail()
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("restore a session description: %w", err)
	}
	return nil
}
