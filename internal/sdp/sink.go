package sdp

import (
	"strconv"
	"strings"
)

// Leg is what one leg's phone is told. It keeps what RFC 3264 section 8 asks of the
// o= line: one session per leg, whose version rises exactly when the description
// changes (row F07); and which m= line stands where, and belongs to which one of the
// leg with which it talks.
//
// Offer and Answer describe the media as coming to the sink, one place that swallows
// it. A value with Host, Port and ID set is ready. It is not for concurrent use.
type Leg struct {
	Host string // where the sink listens, as the phone reaches it: an address without brackets, or a name
	ID   uint64 // session id, below 2**63
	Port uint16 // UDP port of the sink

	version uint32
	last    uint64 // hash of the description sent last, without its o= line
	slots   []slot
}

// Offer is the first offer to a calling party: one real audio line, sendrecv.
// Phones answer 488 to an offer without media or on hold, or accept it and then
// never act on a REFER (rows F03 and T04). Later in the session the audio stands where
// it stood, and the other m= lines stay, with port 0 (RFC 3264 section 8).
func (s *Leg) Offer() []byte { return s.offer("sendrecv") }

// Hold is an offer that stops the media of the leg: no direction is left.
func (s *Leg) Hold() []byte { return s.offer("inactive") }

func (s *Leg) offer(direction string) []byte {
	var b strings.Builder
	s.session(&b)
	audio := "m=audio " + s.port() + " RTP/AVP 0 8 101\r\n" +
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=" + direction + "\r\n"
	if len(s.slots) == 0 {
		b.WriteString(audio)
		return s.seal(b.String())
	}
	at := s.free("audio", func(t slot) bool { return t.is("audio") })
	for j, t := range s.slots {
		if j == at {
			b.WriteString(audio)
			continue
		}
		t.gap(&b, "")
	}
	return s.seal(b.String())
}

// Answer answers an offer of the phone: its first audio stream is taken with the
// formats that it offers, the direction mirrored, all other streams are refused
// with port 0 (RFC 3264 section 6). Every dynamic format that it names has its
// rtpmap, without which phones hang up.
func (s *Leg) Answer(offer []byte) ([]byte, error) {
	media, err := ParseOffer(offer)
	if err != nil {
		return nil, err
	}
	for i := range media {
		s.see(i, media[i].Type)
	}
	var b strings.Builder
	s.session(&b)
	taken := false
	for i := range media {
		m := &media[i]
		if taken || m.Type != "audio" || m.Port == 0 || !plainRTP(m.Protocol) || len(m.usable()) == 0 {
			m.refuse(&b, "")
			continue
		}
		taken = true
		m.section(&b, s.port(), "", m.usable())
		b.WriteString("a=" + mirror(m) + "\r\n")
	}
	return s.seal(b.String()), nil
}

// plainRTP tells the profiles that need nothing further agreed. Keys and
// fingerprints cannot be answered by a sink that has none.
func plainRTP(protocol string) bool { return protocol == "RTP/AVP" || protocol == "RTP/AVPF" }

// refuse writes the stream with port 0, with a c= line when it needs one. It must name
// a format, which means nothing.
func (m *Media) refuse(b *strings.Builder, connection string) {
	formats := m.known()
	if len(formats) == 0 {
		formats = []string{"0"}
	}
	m.section(b, "0", connection, formats)
}

// section writes an m= line, its c= line if any, and the rtpmaps of its formats.
func (m *Media) section(b *strings.Builder, port, connection string, formats []string) {
	b.WriteString("m=" + m.Type + " " + port + " " + m.Protocol + " " + strings.Join(formats, " ") + "\r\n" + connection)
	for _, f := range formats {
		if r, ok := m.Rtpmaps[f]; ok {
			b.WriteString("a=rtpmap:" + f + " " + r + "\r\n")
		}
	}
}

// mirror gives the direction that answers an offered one (RFC 3264 section 6.1).
// The address 0.0.0.0 is the old way to say that nothing is to be sent there
// (section 8.4).
func mirror(m *Media) string {
	sends := m.Direction == "sendrecv" || m.Direction == "sendonly"
	receives := (m.Direction == "sendrecv" || m.Direction == "recvonly") && !m.Zero
	switch {
	case sends && receives:
		return "sendrecv"
	case sends:
		return "recvonly"
	case receives:
		return "sendonly"
	default:
		return "inactive"
	}
}

func (s *Leg) port() string { return strconv.Itoa(int(s.Port)) }

func (s *Leg) session(b *strings.Builder) {
	b.WriteString("s=-\r\n" + s.connection() + "t=0 0\r\n")
}

// seal puts v= and o= before a description, with a version one higher when it
// differs from the last one.
func (s *Leg) seal(description string) []byte {
	return s.join("v=0\r\n", description)
}

// join puts the o= line between the v= line and the rest of a description.
func (s *Leg) join(version, rest string) []byte {
	return []byte(version + s.origin(version, rest) + rest)
}

// origin is the o= line between the v= line and the rest of a description.
func (s *Leg) origin(version, rest string) string {
	if h := hash(version, rest); s.version == 0 || s.last != h {
		s.version++
		s.last = h
	}
	return "o=callcontroller " + strconv.FormatUint(s.ID, 10) + " " + strconv.FormatUint(uint64(s.version), 10) + " IN " + s.address() + "\r\n"
}

// connection is the c= line of the leg.
func (s *Leg) connection() string { return "c=IN " + s.address() + "\r\n" }

// address is the address type and address of c= and o= (RFC 8866 section 5.7).
func (s *Leg) address() string {
	if strings.Contains(s.Host, ":") {
		return "IP6 " + s.Host
	}
	return "IP4 " + s.Host
}

// hash is FNV-1a: a leg stands for hours, and keeps 8 bytes instead of the text.
func hash(texts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, text := range texts {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	return h
}
