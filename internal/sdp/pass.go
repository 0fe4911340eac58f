package sdp

import (
	"slices"
	"strings"
	"unique"
)

// slot is an m= line of a leg's session. Its place never changes (RFC 3264 section 8).
type slot struct {
	kind unique.Handle[string] // media type, "audio": there are few, and many legs
	peer int16                 // the slot of the other leg that it talks with, or unpaired
}

const unpaired = -1

// newSlot makes one that talks with none.
func newSlot(kind string) slot { return slot{kind: unique.Make(kind), peer: unpaired} }

// is tells whether a slot has that media type.
func (t slot) is(kind string) bool { return t.kind.Value() == kind }

// alone tells that a slot talks with none of the other leg.
func alone(t slot) bool { return t.peer == unpaired }

// gap writes the slot without a stream. What stands for protocol and format means
// nothing there (RFC 3264 section 8.2).
func (t slot) gap(b *strings.Builder, connection string) {
	b.WriteString("m=" + t.kind.Value() + " 0 RTP/AVP 0\r\n" + connection)
}

// begin remembers the one stream of the first offer, which most legs never need.
func (s *Leg) begin() {
	if len(s.slots) == 0 && s.version > 0 {
		s.slots = []slot{newSlot("audio")}
	}
}

// see notes that the phone's description has a media type at place i.
func (s *Leg) see(i int, kind string) {
	s.begin()
	switch {
	case i == len(s.slots):
		s.slots = append(s.slots, newSlot(kind))
	case !s.slots[i].is(kind): // RFC 3264 section 8.2: a place is used again.
		s.slots[i] = newSlot(kind)
	}
}

// PassOffer gives what the phone of from offers as the leg's phone may be told it:
// the m= lines in the order in which that phone knows them, never fewer (row F08), an
// o= line of the leg, and everything else byte for byte, but that every line ends with
// CRLF. It fails exactly when Check does.
func (s *Leg) PassOffer(from *Leg, offer []byte) ([]byte, error) {
	d, err := parse(offer)
	if err != nil {
		return nil, err
	}
	s.pair(from, d)
	var b strings.Builder
	connection := s.lacking(d)
	for _, t := range s.slots {
		if alone(t) {
			t.gap(&b, connection)
			continue
		}
		b.WriteString(d.media[t.peer].text)
	}
	return s.write(d, b.String()), nil
}

// pair finds for each m= line of the offer its place in the leg's session: the one
// that it has, else a free one of the same type, else a new one.
func (s *Leg) pair(from *Leg, d description) {
	for i, m := range d.media {
		from.see(i, m.Type)
	}
	s.begin()
	for j := range s.slots {
		i := int(s.slots[j].peer)
		if i == unpaired || i >= len(d.media) || from.slots[i].peer != int16(j) || from.slots[i].kind != s.slots[j].kind {
			s.slots[j].peer = unpaired // It was of a leg that has gone, or of a stream that has.
		}
	}
	for i, m := range d.media {
		if j := int(from.slots[i].peer); j != unpaired && j < len(s.slots) && s.slots[j].peer == int16(i) {
			continue
		}
		from.slots[i].peer = unpaired
		// A description has at least one m= line, even when it offers no stream.
		if live(m) || len(s.slots) == 0 && i == len(d.media)-1 {
			s.place(from, i, m.Type)
		}
	}
}

// place joins the slot i of from with a free one.
func (s *Leg) place(from *Leg, i int, kind string) {
	j := s.free(kind, func(t slot) bool { return alone(t) && t.is(kind) })
	s.slots[j].peer, from.slots[i].peer = int16(i), int16(j)
}

// free finds the first slot that will do for a stream of that kind, else makes one: a
// new one at the end, or when there are as many as a phone can be told, out of one
// that has no stream (RFC 3264 section 8.1). There is such a one always, since no
// offer has more streams than that.
func (s *Leg) free(kind string, good func(slot) bool) int {
	j := slices.IndexFunc(s.slots, good)
	switch {
	case j >= 0:
		return j
	case len(s.slots) < maxMedia:
		s.slots = append(s.slots, newSlot(kind))
		return len(s.slots) - 1
	}
	j = max(0, slices.IndexFunc(s.slots, alone))
	s.slots[j] = newSlot(kind)
	return j
}

// PassAnswer gives what the phone of from answered to PassOffer of offer, for the leg
// whose phone made that: as many m= lines as it offered, in its order, those that the
// other phone never heard of refused with port 0 (RFC 3264 section 6, row F09).
func (s *Leg) PassAnswer(from *Leg, offer, answer []byte) ([]byte, error) {
	asked, err := parse(offer)
	if err != nil {
		return nil, err
	}
	d, err := parse(answer)
	if err != nil {
		return nil, err
	}
	from.pair(s, asked) // Changes nothing after PassOffer; without it, the two may be strangers.
	var b strings.Builder
	connection := s.lacking(d)
	for i, m := range asked.media {
		if text, ok := s.answered(i, m, d); ok {
			b.WriteString(text)
			continue
		}
		m.refuse(&b, connection)
	}
	return s.write(d, b.String()), nil
}

// answered gives the section that answers the offered one in slot i.
func (s *Leg) answered(i int, offered medium, d description) (string, bool) {
	if i >= len(s.slots) || offered.Port == 0 {
		return "", false
	}
	j := int(s.slots[i].peer)
	if j == unpaired || j >= len(d.media) || d.media[j].Type != offered.Type {
		return "", false
	}
	return d.media[j].text, true
}

// Refuse answers an offer by refusing every stream (rows F10 and F11).
func (s *Leg) Refuse(offer []byte) ([]byte, error) {
	d, err := parse(offer)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	s.session(&b)
	for i, m := range d.media {
		s.see(i, m.Type)
		m.refuse(&b, "")
	}
	return s.seal(b.String()), nil
}

// write puts a description together again, with the leg's own o= line.
func (s *Leg) write(d description, media string) []byte {
	return s.join(d.version, d.session+media)
}

// lacking gives the c= line that a section of ours needs in d: a description has one
// for the session or one in every section (RFC 8866 section 5.7).
func (s *Leg) lacking(d description) string {
	if strings.HasPrefix(d.session, "c=") || strings.Contains(d.session, "\r\nc=") {
		return ""
	}
	return s.connection()
}
