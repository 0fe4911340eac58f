package legacy

import (
	"net/http"
	"strconv"
	"unicode/utf8"
)

func writeXML(w http.ResponseWriter, status int, document []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/xml;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	w.WriteHeader(status)
	_, _ = w.Write(document) // a client that is gone misses nothing
}

// appendText writes text as the content of an element. Whoever parses the document
// gets the same text back, but for what XML 1.0 (section 2.2) has no place for and
// what nobody should see, control characters: they become U+FFFD, as does what is
// not UTF-8. A carriage return is escaped since a parser would make it a line feed
// (section 2.11).
func appendText(b []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '\r':
			b = append(b, "&#xD;"...)
		case isPlain(r):
			b = utf8.AppendRune(b, r)
		default:
			b = utf8.AppendRune(b, utf8.RuneError)
		}
	}
	return b
}

// isPlain tells the characters that may stand in a document as they are.
func isPlain(r rune) bool {
	return r == '\t' || r == '\n' || r >= 0x20 && r < 0x7f || r > 0x9f && r != 0xfffe && r != 0xffff
}
