// Package sip owns the SIP message of RFC 3261: reading it, asking it for
// header fields, and writing it.
//
// A parsed message keeps the bytes that came (Raw) and holds its fields as parts
// of them, in the order and the spelling in which they came; a structured value
// (URI, NameAddr, Via) is made only when it is asked for. Writing is the one
// place where a value that came from outside is made safe: see AppendTo.
//
// The package knows no network, transaction or dialog, starts no goroutine and
// keeps no state.
package sip

import (
	"iter"
	"strings"
	"sync"
)

// Version is the only protocol version that RFC 3261 knows.
const Version = "SIP/2.0"

// Methods of RFC 3261, 3262, 3265, 3311, 3428, 3515, 3903 and 6086.
const (
	INVITE    = "INVITE"
	ACK       = "ACK"
	BYE       = "BYE"
	CANCEL    = "CANCEL"
	OPTIONS   = "OPTIONS"
	REGISTER  = "REGISTER"
	REFER     = "REFER"
	NOTIFY    = "NOTIFY"
	SUBSCRIBE = "SUBSCRIBE"
	PUBLISH   = "PUBLISH"
	MESSAGE   = "MESSAGE"
	INFO      = "INFO"
	UPDATE    = "UPDATE"
	PRACK     = "PRACK"
)

// Field is one header field as it stands in the message.
type Field struct {
	Header Header // Other for a name that this package has no constant for
	Name   string // as spelled in the message, compact forms included
	Value  string // without surrounding white space, folds replaced by one space
}

// Message is a request (Method is set) or a response (Status is set).
//
// The zero value is an empty message to be filled. A Message must not be changed
// by two goroutines at once; reading it is free.
type Message struct {
	Method     string // request: as spelled, methods are case-sensitive
	RequestURI string // request: as spelled
	Status     int    // response: 100 to 699
	Reason     string // response: the reason phrase, may be empty

	Fields []Field
	Body   []byte

	version string // as read; empty in a message that is being built
	raw     string // the whole message as it came; empty in one being built
	defect  error  // the first fault of syntax that Parse could read past
	again   bool   // of NewRequest, so that Recycle takes it
}

// requests are messages that were recycled.
var requests = sync.Pool{New: func() any { return &Message{Fields: make([]Field, 0, 16)} }}

// NewRequest starts a request without any header field.
func NewRequest(method, requestURI string) *Message {
	m := requests.Get().(*Message) //nolint:forcetypeassert // Recycle puts nothing else in
	m.Method, m.RequestURI, m.again = method, requestURI, true
	return m
}

// Recycle gives a request of NewRequest back whose bytes are all that is still needed:
// nobody may have it any more. Other messages are left alone.
func (m *Message) Recycle() {
	if !m.again {
		return
	}
	clear(m.Fields)
	*m = Message{Fields: m.Fields[:0]}
	requests.Put(m)
}

// NewResponse starts the answer to req as RFC 3261 section 8.2.6.2 says: Via
// values, From, To, Call-ID and CSeq are copied, and Timestamp too. toTag is put
// into To when the request has none there; an empty toTag (a 100) leaves To alone.
// An empty reason stands for the usual phrase of status.
func NewResponse(req *Message, status int, reason, toTag string) *Message {
	if reason == "" {
		reason = ReasonPhrase(status)
	}
	m := &Message{Status: status, Reason: reason, Fields: make([]Field, 0, 12)}
	for _, f := range req.Fields {
		switch f.Header {
		case Via, From, CallID, CSeq, Timestamp:
			m.Add(f.Header, f.Value)
		case To:
			m.Add(To, withTag(f.Value, toTag))
		default:
		}
	}
	return m
}

// withTag adds a tag to the value of a To field that has none.
func withTag(to, tag string) string {
	if tag == "" {
		return to
	}
	if a, err := ParseNameAddr(to); err != nil || a.Params.Has("tag") {
		return to
	}
	return to + ";tag=" + tag
}

// IsRequest tells a request from a response.
func (m *Message) IsRequest() bool { return m.Method != "" }

// IsResponse tells a response from a request.
func (m *Message) IsResponse() bool { return m.Method == "" }

// Raw is the message as it came from the network, "" for one that was built here.
func (m *Message) Raw() string { return m.raw }

// Get returns the value of the first field of that kind, "" when there is none.
func (m *Message) Get(h Header) string {
	for i := range m.Fields {
		if m.Fields[i].Header == h {
			return m.Fields[i].Value
		}
	}
	return ""
}

// Has tells whether a field of that kind is there, even an empty one.
func (m *Message) Has(h Header) bool { return m.count(h) > 0 }

func (m *Message) count(h Header) int {
	n := 0
	for i := range m.Fields {
		if m.Fields[i].Header == h {
			n++
		}
	}
	return n
}

// GetOther returns the value of the first field with that name, for fields
// without a constant. Names are compared without regard to case.
func (m *Message) GetOther(name string) string {
	for i := range m.Fields {
		if strings.EqualFold(m.Fields[i].Name, name) {
			return m.Fields[i].Value
		}
	}
	return ""
}

// Values yields each value of a field that may be a list, through all fields of
// that kind, in order (RFC 3261 section 7.3.1). Only for fields whose grammar
// allows a comma as separator.
func (m *Message) Values(h Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range m.Fields {
			if m.Fields[i].Header != h {
				continue
			}
			for v := range SplitList(m.Fields[i].Value) {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Contains tells whether a list field names token, without regard to case.
func (m *Message) Contains(h Header, token string) bool {
	for v := range m.Values(h) {
		if strings.EqualFold(v, token) {
			return true
		}
	}
	return false
}

// Add appends a field.
func (m *Message) Add(h Header, value string) {
	m.Fields = append(m.Fields, Field{Header: h, Name: h.String(), Value: value})
}

// AddOther appends a field that has no constant.
func (m *Message) AddOther(name, value string) {
	m.Fields = append(m.Fields, Field{Header: HeaderOf(name), Name: name, Value: value})
}

// Set replaces the first field of that kind, removes the others, and appends one
// when there was none.
func (m *Message) Set(h Header, value string) {
	kept := m.Fields[:0]
	found := false
	for _, f := range m.Fields {
		if f.Header == h {
			if found {
				continue
			}
			found, f.Value = true, value
		}
		kept = append(kept, f)
	}
	m.Fields = kept
	if !found {
		m.Add(h, value)
	}
}

// Remove takes out every field of that kind.
func (m *Message) Remove(h Header) {
	kept := m.Fields[:0]
	for _, f := range m.Fields {
		if f.Header != h {
			kept = append(kept, f)
		}
	}
	m.Fields = kept
}

// Prepend puts a field before all others, as a sender does with its Via.
func (m *Message) Prepend(h Header, value string) {
	m.Fields = append(m.Fields, Field{})
	copy(m.Fields[1:], m.Fields)
	m.Fields[0] = Field{Header: h, Name: h.String(), Value: value}
}

// Clone gives a message whose fields can be changed without touching m. Strings
// and the body are shared.
func (m *Message) Clone() *Message {
	c := *m
	c.Fields = append(make([]Field, 0, len(m.Fields)+4), m.Fields...)
	c.raw, c.again = "", false
	return &c
}
