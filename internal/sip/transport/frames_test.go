package transport

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/sip"
)

// cut feeds data in pieces of the given sizes (0 counts as 1), round and round, and
// tells what came out.
func cut(data, sizes []byte) (messages []string, pings int, err error) {
	if len(sizes) == 0 {
		sizes = []byte{255}
	}
	var f frames
	for i := 0; len(data) > 0; i++ {
		n := min(len(data), max(1, int(sizes[i%len(sizes)])))
		n = copy(f.room(), data[:n])
		f.filled(n)
		data = data[n:]
		for {
			msg, ping, err := f.next()
			if ping {
				pings++
			}
			if err != nil {
				return messages, pings, err
			}
			if msg == nil {
				break
			}
			messages = append(messages, string(msg))
		}
	}
	return messages, pings, nil
}

// FuzzFrames holds the law of framing: however a stream is cut into pieces, the
// same messages come out of it, and it breaks or does not.
func FuzzFrames(f *testing.F) {
	one := "OPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc"
	f.Add([]byte(one+"\r\n\r\n"+one), []byte{1})
	f.Add([]byte("\r\n\r\n\r\n"+one+one+"\r\n"), []byte{7, 0, 3})
	f.Add([]byte("A\nl:0\n\nB\r\nL : 2\r\n\r\nxx"), []byte{2, 5})
	f.Add([]byte("A\r\n\r\n"), []byte{1})
	f.Add([]byte("A\r\nContent-Length: 9999999\r\n\r\n"), []byte{3})
	files, err := filepath.Glob("../testdata/*/*.dat")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte{13, 1})
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		want, _, wantErr := cut(data, []byte{255})
		got, _, gotErr := cut(data, sizes)
		if (wantErr == nil) != (gotErr == nil) {
			t.Errorf("cut by %v: error %v, else %v", sizes, gotErr, wantErr)
		}
		if len(got) != len(want) {
			t.Fatalf("cut by %v: %q, else %q", sizes, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("cut by %v: message %d is %q, else %q", sizes, i, got[i], want[i])
			}
		}
		whole := strings.Join(got, "")
		if len(whole) > len(data) || wantErr == nil && onlyLineEnds(data) != (strings.Trim(string(data), "\r\n") == "") {
			t.Errorf("%d bytes came out of %d", len(whole), len(data))
		}
	})
}

func TestFramesBufferGrowsAndShrinks(t *testing.T) {
	var f frames
	head := "MESSAGE sip:a SIP/2.0\r\nl: 60000\r\n\r\n"
	big := []byte(head + strings.Repeat("x", 60000))
	for rest := big; len(rest) > 0; {
		n := copy(f.room(), rest)
		f.filled(n)
		rest = rest[n:]
		if msg, _, err := f.next(); err != nil || (msg != nil) != (len(rest) == 0) {
			t.Fatalf("message %t with %d bytes to come, %v", msg != nil, len(rest), err)
		}
	}
	if n := len(f.buf); n < len(big) || n > 2*sip.MaxMessageSize {
		t.Errorf("buffer of %d bytes for a message of %d", n, len(big))
	}
	if n := len(f.room()); n != bufferStart {
		t.Errorf("empty buffer of %d bytes, want %d", n, bufferStart)
	}
}

func TestFramesTooLarge(t *testing.T) {
	var f frames
	line := bytes.Repeat([]byte("a"), 1000)
	for sent := 0; sent < 3*sip.MaxMessageSize; {
		n := copy(f.room(), line)
		f.filled(n)
		sent += n
		if _, _, err := f.next(); err != nil {
			return
		}
	}
	t.Errorf("a message without an end was taken, buffer of %d bytes", len(f.buf))
}

// BenchmarkFramesDrip is the worst that a stranger can do with one message: every
// byte of a large header and body for itself.
func BenchmarkFramesDrip(b *testing.B) {
	data := []byte("MESSAGE sip:a SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 3000) + "l: 40000\r\n\r\n" + strings.Repeat("x", 40000))
	for b.Loop() {
		if m, _, err := cut(data, []byte{1}); len(m) != 1 || err != nil {
			b.Fatal(len(m), err)
		}
	}
}
