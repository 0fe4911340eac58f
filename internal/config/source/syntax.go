package source

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	yamlLine      = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
	parserProblem = regexp.MustCompile(`^did not find expected (key|node content|',' or|'-' indicator|<)`)
)

// syntaxFault makes a fault of an error of the YAML library. The library names the
// line in some errors only, and in those of its parser (not its scanner) one too
// low; and it prints the name of an unknown anchor, which can be a password that
// starts with "*".
func syntaxFault(name string, text []byte, err error) Fault {
	reason, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := yamlLine.FindStringSubmatch(reason); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits only, and few
		reason = reason[len(m[0]):]
		if parserProblem.MatchString(reason) {
			line++
		}
	} else if m := unknownAnchor.FindStringSubmatch(reason); m != nil {
		line = lineOf(text, bytes.Index(text, []byte("*"+m[1])))
		reason = `an alias is not allowed here; quote a value that starts with "*"`
	} else if at := badByte(text); at >= 0 {
		line = lineOf(text, at)
	}
	line = min(line, lineOf(text, len(bytes.TrimRight(text, " \t\r\n")))) // an early end is told of the line behind it
	return Fault{Place: Place{Name: name, Line: line}, Reason: "not YAML: " + reason}
}

// lineOf counts from 1; a place that was not found is line 1.
func lineOf(text []byte, offset int) int {
	return 1 + bytes.Count(text[:max(offset, 0)], []byte("\n"))
}

// badByte finds the first byte that YAML does not allow, or -1.
func badByte(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return i
		}
		i += size
	}
	return -1
}
