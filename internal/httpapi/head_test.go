package httpapi

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// FuzzR13Head: whatever comes in whatever pieces, the verdict is the same; and of what
// passes, net/http finds no request whose head headCheck has not read as one.
func FuzzR13Head(f *testing.F) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.0\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\x01\x02",
	} {
		f.Add(text, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, piece uint8) {
		var whole, pieces headCheck
		good := whole.scan([]byte(text))
		if got := scanPieces(&pieces, text, int(piece%16)+1); got != good {
			t.Fatalf("%q: %d in one, %d in pieces", text, good, got)
		}
		if good < len(text) {
			return
		}
		r := bufio.NewReader(strings.NewReader(text))
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if n := len(req.TransferEncoding); n > 0 && req.ContentLength >= 0 || n == 0 && len(req.Header.Values("Content-Length")) > 1 {
				t.Errorf("%q passes", text)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil || len(req.TransferEncoding) > 0 || req.Header.Get("Upgrade") != "" {
				return // the connection ends here
			}
			var alone headCheck
			rest, _ := r.Peek(r.Buffered())
			if alone.scan(rest) < len(rest) {
				t.Errorf("%q: behind the request stands a faulty one, which has passed", text)
			}
		}
	})
}

func scanPieces(h *headCheck, text string, size int) int {
	for at := 0; at < len(text); at += size {
		piece := text[at:min(at+size, len(text))]
		if good := h.scan([]byte(piece)); good < len(piece) {
			return at + good
		}
	}
	return len(text)
}

func BenchmarkHeadCheck(b *testing.B) {
	text := []byte("POST /callcontroller/201/202 HTTP/1.1\r\nHost: pbx.example.com\r\nAuthorization: Basic MjAxOjEyMzQ=\r\nUser-Agent: curl/7.88.1\r\n" +
		"Accept: */*\r\nContent-Length: 1\r\n\r\n\x00")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var h headCheck
		if h.scan(text) != len(text) {
			b.Fatal("refused")
		}
	}
}
