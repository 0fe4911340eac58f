package call

import "strings"

// fragStatus reads the status of a message/sipfrag body (RFC 3420) without white
// space around it: the status line must be its first line. 0 means that there is
// none.
func fragStatus(body string) int {
	const start = "SIP/2.0 "
	if len(body) < len(start)+3 || !strings.EqualFold(body[:len(start)], start) {
		return 0
	}
	digits, rest := body[len(start):len(start)+3], body[len(start)+3:]
	if rest != "" && !strings.ContainsRune(" \r\n", rune(rest[0])) {
		return 0
	}
	status := 0
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0
		}
		status = 10*status + int(c-'0')
	}
	if status < 100 || status > 699 {
		return 0
	}
	return status
}

// fragPhrase is the reason phrase of the first line of a sipfrag.
func fragPhrase(body string) string {
	line, _, _ := strings.Cut(body, "\n")
	parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// param reads one parameter of a field value such as "refer;id=4".
func param(value, name string) (string, bool) {
	next := strings.IndexByte(value, ';')
	for next >= 0 {
		value = value[next+1:]
		item := value
		if next = strings.IndexByte(value, ';'); next >= 0 {
			item = value[:next]
		}
		n, v, _ := strings.Cut(item, "=")
		if strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// token is the part of a field value before its parameters.
func token(value string) string {
	if i := strings.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	return strings.TrimSpace(value)
}
