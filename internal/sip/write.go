package sip

import "strconv"

// AppendTo writes the message behind b. Content-Length is always written, last
// and right, whatever Fields says.
//
// This is the one gate through which text of others leaves: a CR, LF, NUL or
// other control character inside the start line or a field becomes a space, so no
// value can ever start a field, a line or a message of its own (row Z05). What a
// value means inside its field is the business of the types that make values:
// URI, NameAddr, Params, Quote.
func (m *Message) AppendTo(b []byte) []byte {
	if m.IsRequest() {
		b = appendClean(b, m.Method)
		b = append(b, ' ')
		b = appendClean(b, m.RequestURI)
		b = append(b, " "+Version...)
	} else {
		b = append(b, Version+" "...)
		b = strconv.AppendInt(b, int64(m.Status), 10)
		b = append(b, ' ')
		b = appendClean(b, m.Reason)
	}
	b = append(b, "\r\n"...)
	for i := range m.Fields {
		f := &m.Fields[i]
		if f.Header == ContentLength {
			continue
		}
		b = appendClean(b, f.Name)
		b = append(b, ": "...)
		b = appendClean(b, f.Value)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(m.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, m.Body...)
}

// Bytes is AppendTo in a buffer of its own.
func (m *Message) Bytes() []byte {
	return m.AppendTo(make([]byte, 0, m.Size()))
}

// Size is the length of Bytes.
func (m *Message) Size() int {
	const startLine, ending, field = len(Version + "  \r\n"), len("Content-Length: \r\n\r\n"), len(": \r\n")
	n := startLine + len(m.Method) + len(m.RequestURI) + len(m.Reason) + ending + digits(len(m.Body)) + len(m.Body)
	if m.IsResponse() {
		n += digits(m.Status)
	}
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Header != ContentLength {
			n += len(f.Name) + len(f.Value) + field
		}
	}
	return n
}

// digits is how many a number has, which is not negative.
func digits(n int) int {
	count := 1
	for ; n > 9; n /= 10 {
		count++
	}
	return count
}

// String is the message as text, for logs and tests.
func (m *Message) String() string { return string(m.Bytes()) }

func appendClean(b []byte, s string) []byte {
	start := len(b)
	b = append(b, s...)
	for i := start; i < len(b); i++ {
		if isControl(rune(b[i])) {
			b[i] = ' '
		}
	}
	return b
}
