package sip

import (
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// hostile are messages that are all one thing, as large as they may be: what a stranger
// would send to keep a parser busy.
func hostile(size int) map[string][]byte {
	const rest = "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
	message := func(line, start, more, end string) []byte {
		s := "OPTIONS sip:a SIP/2.0\r\n" + line + start
		n := (size - len(s) - len(end) - len(rest) - 100) / len(more)
		return []byte(s + strings.Repeat(more, n) + end + "\r\n" + rest)
	}
	const via = "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\n"
	return map[string][]byte{
		"folds":              message(via, "X: a", "\r\n b", ""),
		"a Via list":         message("", "Via: SIP/2.0/UDP h;rport", ",SIP/2.0/UDP h", ""),
		"empty elements":     message("", "Via: ", ",", "SIP/2.0/UDP h"),
		"Via parameters":     message("", "Via: SIP/2.0/UDP h;rport", ";a=b", ""),
		"quoted commas":      message(via, `Contact: "`, `,\"`, `" <sip:h>`),
		"angle brackets":     message(via, "Route: ", "<", ""),
		"quotes":             message(via, "Route: ", `"`, ""),
		"a list of routes":   message(via, "Route: <sip:p;lr>", ",<sip:p;lr>", ""),
		"parameters":         message(via, "Contact: <sip:h>", ";a", ""),
		"escapes":            message(via, "Contact: <sip:", "%00", "@h>"),
		"white space":        message(via, "Contact: ", " \t", "<sip:h>"),
		"tokens":             message(via, "Supported: a", ",a", ""),
		"bare line feeds":    message(via, "X:", "\n \t", ""),
		"colons":             message(via, "Contact: <sip:a@[", ":", "]>"),
		"a body":             []byte(string(message(via, "X: ", "a", ""))[:size/2] + "\r\n" + rest + strings.Repeat("b", size/3)),
		"lines before it":    append([]byte(strings.Repeat("\r\n", size/4)), message(via, "X: ", "a", "")[:size/3]...),
		"a long status line": []byte("SIP/2.0 200 " + strings.Repeat("a ", size/2-100) + "\r\n" + via + rest),
	}
}

// use does what the layers above do with a message.
func use(data []byte) {
	m, err := Parse(data)
	if err != nil {
		return
	}
	_ = m.Validate()
	m.Contains(Supported, "100rel")
	for _, h := range []Header{Via, Route, Contact} {
		for v := range m.Values(h) {
			a, _ := ParseNameAddr(v)
			_ = a.Tag()
		}
	}
	if v, err := m.Via(); err == nil {
		m.SetTopVia(v.Received(netip.MustParseAddrPort("192.0.2.7:4711")))
	}
	_, _ = m.Contact()
	_ = NewResponse(m, 400, "", "local").Bytes()
}

// TestZ17Linear: nothing in 64 KiB makes the work grow faster than the message, as what
// is allocated for it shows.
func TestZ17Linear(t *testing.T) {
	half, whole := hostile(MaxMessageSize/2), hostile(MaxMessageSize)
	for name, data := range whole {
		if len(data) > MaxMessageSize || len(data) < MaxMessageSize/2 {
			t.Fatalf("%s: %d bytes", name, len(data))
		}
		if a, b := allocated(half[name]), allocated(data); b > 3*a+MaxMessageSize {
			t.Errorf("%s: %d bytes are allocated for %d, %d for %d", name, a, len(half[name]), b, len(data))
		}
	}
}

// allocated is what one use costs, in bytes; the least of some, for others allocate too.
func allocated(data []byte) uint64 {
	var all []uint64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		use(data)
		runtime.ReadMemStats(&after)
		all = append(all, after.TotalAlloc-before.TotalAlloc)
	}
	return slices.Min(all)
}

// BenchmarkHostile is to stay under 10 ms each (row Z17).
func BenchmarkHostile(b *testing.B) {
	for name, data := range hostile(MaxMessageSize) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				use(data)
			}
		})
	}
}
