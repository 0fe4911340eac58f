package sip

import (
	"errors"
	"fmt"
	"strings"
)

// CSeqValue is the value of a CSeq field.
type CSeqValue struct {
	Seq    uint32
	Method string
}

// ErrCSeq tells that a CSeq is not "number method" with a number below 2**31
// (RFC 3261 section 8.1.1.5).
var ErrCSeq = errors.New("CSeq is not a number below 2**31 and a method")

// ParseCSeq reads the value of a CSeq field.
func ParseCSeq(s string) (CSeqValue, error) {
	number, method, ok := strings.Cut(strings.Replace(s, "\t", " ", 1), " ")
	method = strings.Trim(method, " \t")
	n, valid := parseUint(strings.TrimLeft(number, "0"), 1<<31-1)
	if !valid && strings.Trim(number, "0") == "" && number != "" {
		n, valid = 0, true
	}
	if !ok || !valid || !IsToken(method) {
		return CSeqValue{}, fmt.Errorf("%w: %q", ErrCSeq, clip(s))
	}
	return CSeqValue{Seq: uint32(n), Method: method}, nil
}

// CSeq is the message's CSeq, or an error when it is missing or wrong.
func (m *Message) CSeq() (CSeqValue, error) { return ParseCSeq(m.Get(CSeq)) }

// From is the message's From, or an error when it is missing or wrong.
func (m *Message) From() (NameAddr, error) { return ParseNameAddr(m.Get(From)) }

// To is the message's To, or an error when it is missing or wrong.
func (m *Message) To() (NameAddr, error) { return ParseNameAddr(m.Get(To)) }

// Via is the topmost Via value, or an error when there is none or it is wrong.
func (m *Message) Via() (ViaValue, error) {
	for v := range m.Values(Via) {
		return ParseVia(v)
	}
	return ViaValue{}, fmt.Errorf("%w: none there", ErrVia)
}

// SetTopVia replaces the topmost Via value and keeps those behind it. It fills a Via
// without a value that was put there for it.
func (m *Message) SetTopVia(v ViaValue) {
	for i := range m.Fields {
		if m.Fields[i].Header != Via {
			continue
		}
		value := strings.TrimLeft(m.Fields[i].Value, " \t,") // Empty elements are none, as for Values.
		if value == "" && m.Fields[i].Value != "" {
			continue
		}
		end := indexOutside(value, ',')
		m.Fields[i].Value = v.String() + value[end:]
		return
	}
}

// FromTag is the tag of From, "" when there is none.
func (m *Message) FromTag() string { return tagOf(m.Get(From)) }

// ToTag is the tag of To, "" when there is none.
func (m *Message) ToTag() string { return tagOf(m.Get(To)) }

// tagOf reads no more than it must, for a message is asked for its tags often: what
// stands in the angle brackets is Validate's business.
func tagOf(value string) string {
	if open := indexAngle(value); open >= 0 {
		end := strings.IndexByte(value[open:], '>')
		if end < 0 {
			return ""
		}
		value = value[open+end+1:]
	} else {
		at := strings.IndexByte(value, '@') + 1
		semi := strings.IndexByte(value[at:], ';')
		if semi < 0 {
			return ""
		}
		value = value[at+semi:]
	}
	params, ok := checkParams(value)
	if !ok {
		return ""
	}
	tag, _ := params.Get("tag")
	return tag
}

// Contact is the first Contact value; ok is false when there is none that can be
// read.
func (m *Message) Contact() (a NameAddr, ok bool) {
	for v := range m.Values(Contact) {
		a, err := ParseNameAddr(v)
		return a, err == nil
	}
	return NameAddr{}, false
}

// ContentTypeIs tells whether the body is of that media type, such as
// "application/sdp"; parameters and case do not matter.
func (m *Message) ContentTypeIs(mediaType string) bool {
	value, _, _ := strings.Cut(m.Get(ContentType), ";")
	return strings.EqualFold(strings.Trim(value, " \t"), mediaType)
}
