package load

import (
	"bytes"
	"strconv"
)

// message is what a phone needs of a SIP message. All slices are of the datagram.
type message struct {
	method []byte // empty in a response
	uri    []byte
	code   int // 0 in a request

	via         [][]byte
	recordRoute [][]byte
	from        []byte
	to          []byte
	callID      []byte
	cseq        []byte
	contact     []byte
	body        []byte
}

// parse reads a message, into room that is used again. It believes what it reads: the
// server under test has tests of its own.
func (m *message) parse(b []byte) {
	*m = message{via: m.via[:0], recordRoute: m.recordRoute[:0]}
	head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	m.body = body
	line, head, _ := bytes.Cut(head, []byte("\r\n"))
	m.start(line)
	for len(head) > 0 {
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		m.header(name, bytes.TrimSpace(value))
	}
}

func (m *message) start(line []byte) {
	first, rest, _ := bytes.Cut(line, []byte(" "))
	second, _, _ := bytes.Cut(rest, []byte(" "))
	if bytes.HasPrefix(first, []byte("SIP/")) {
		m.code, _ = strconv.Atoi(string(second))
		return
	}
	m.method, m.uri = first, second
}

func (m *message) header(name, value []byte) {
	switch string(bytes.TrimSpace(name)) {
	case "Via", "v":
		m.via = append(m.via, value)
	case "Record-Route":
		m.recordRoute = append(m.recordRoute, value)
	case "From", "f":
		m.from = value
	case "To", "t":
		m.to = value
	case "Call-ID", "i":
		m.callID = value
	case "CSeq":
		m.cseq = value
	case "Contact", "m":
		m.contact = value
	}
}

// branch is that of the topmost Via.
func (m *message) branch() []byte {
	if len(m.via) == 0 {
		return nil
	}
	return between(m.via[0], "branch=", ";")
}

// of is the method that a response answers.
func (m *message) of() []byte {
	_, method, _ := bytes.Cut(m.cseq, []byte(" "))
	return method
}

// between is what stands behind one text and before the next; without that one, the rest.
func between(s []byte, before, behind string) []byte {
	_, s, _ = bytes.Cut(s, []byte(before))
	s, _, _ = bytes.Cut(s, []byte(behind))
	return s
}

// appendResponse writes the answer to a request. Extra is whole header lines.
func (m *message) appendResponse(b []byte, status, tag, extra, body string) []byte {
	b = append(append(append(b, "SIP/2.0 "...), status...), "\r\n"...)
	for _, v := range m.via {
		b = appendLine(b, "Via: ", v)
	}
	for _, v := range m.recordRoute {
		b = appendLine(b, "Record-Route: ", v)
	}
	b = appendLine(b, "From: ", m.from)
	b = append(append(b, "To: "...), m.to...)
	if !bytes.Contains(m.to, []byte(";tag=")) {
		b = append(append(b, ";tag="...), tag...)
	}
	b = append(b, "\r\n"...)
	b = appendLine(b, "Call-ID: ", m.callID)
	b = appendLine(b, "CSeq: ", m.cseq)
	return appendBody(append(b, extra...), body)
}

func appendLine(b []byte, name string, value []byte) []byte {
	return append(append(append(b, name...), value...), "\r\n"...)
}

func appendBody(b []byte, body string) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}
