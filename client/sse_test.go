package client

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parsed is all that a stream has.
type parsed struct {
	Events, Data []string
	LastID       string
	Retry        time.Duration
}

func parse(in io.Reader) (parsed, error) {
	var p parsed
	f := newFrames(in, "start")
	for {
		next, err := f.next()
		if err != nil {
			p.LastID, p.Retry = f.lastID, f.retry
			return p, err
		}
		p.Events, p.Data = append(p.Events, next.event), append(p.Data, string(next.data))
	}
}

func TestFrames(t *testing.T) {
	tests := map[string]struct {
		stream string
		want   parsed
	}{
		"one":              {"id: 7\nevent: a\ndata: x\n\n", parsed{Events: []string{"a"}, Data: []string{"x"}, LastID: "7"}},
		"CRLF, CR":         {"id: 7\r\ndata: x\r\n\r\ndata: y\r\rid:8\r\n\r\n", parsed{Events: []string{"", ""}, Data: []string{"x", "y"}, LastID: "8"}},
		"lines":            {"data: x\ndata:y\ndata:  z\n\n", parsed{Events: []string{""}, Data: []string{"x\ny\n z"}, LastID: "start"}},
		"comments":         {": hello\n\n:\n\ndata: x\n: between\n\n", parsed{Events: []string{""}, Data: []string{"x"}, LastID: "start"}},
		"broken off":       {"id: 7\ndata: x\n\nid: 8\ndata: y\n", parsed{Events: []string{""}, Data: []string{"x"}, LastID: "7"}},
		"half a line":      {"id: 7\n\nid: 81", parsed{LastID: "7"}},
		"id alone":         {"id: 7\n\n", parsed{LastID: "7"}},
		"id taken back":    {"id: 7\n\nid\n\n", parsed{}},
		"id for no header": {"id: 7\n\nid: \x00\n\nid: a\tb\n\n", parsed{LastID: "7"}},
		"event alone":      {"event: a\n\ndata: x\n\n", parsed{Events: []string{""}, Data: []string{"x"}, LastID: "start"}},
		"mark":             {"\ufeffdata: x\n\n\ufeffdata: y\n\n", parsed{Events: []string{""}, Data: []string{"x"}, LastID: "start"}},
		"retry":            {"retry: 1500\nretry: x\nretry: -1\nretry: 99999999999\n\n", parsed{LastID: "start", Retry: 1500 * time.Millisecond}},
		"unknown":          {"colour: red\ndata\ndata:\n\n", parsed{Events: []string{""}, Data: []string{"\n"}, LastID: "start"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for cut, in := range map[string]io.Reader{"whole": strings.NewReader(test.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(test.stream))} {
				got, err := parse(in)
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", cut, err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s: %s", cut, diff)
				}
			}
		})
	}
}

// A line that ends with CR counts at once: an LF that belongs to it may come with the
// next event only.
func TestFrameThatEndsWithCR(t *testing.T) {
	in, out := io.Pipe()
	go io.WriteString(out, "data: x\r\n\r")
	if got, err := newFrames(in, "").next(); err != nil || string(got.data) != "x" {
		t.Errorf("got %q, %v", got.data, err)
	}
	in.Close()
}

func TestFrameWithoutEnd(t *testing.T) {
	for name, stream := range map[string]io.Reader{
		"line":  io.MultiReader(strings.NewReader("data: "), endless("x")),
		"frame": endless("data: " + strings.Repeat("x", 1000) + "\n"),
	} {
		if _, err := newFrames(stream, "").next(); !errors.Is(err, errLargeFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// endless is a text again and again.
type endless string

func (e endless) Read(p []byte) (int, error) {
	if len(p) < len(e) {
		return copy(p, strings.Repeat("x", len(p))), nil
	}
	return copy(p, e), nil
}

func FuzzFrames(f *testing.F) {
	f.Add("id: 7\r\nevent: a\rdata: x\n\n: c\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		whole, err := parse(strings.NewReader(stream))
		bytes, other := parse(iotest.OneByteReader(strings.NewReader(stream)))
		if diff := cmp.Diff(whole, bytes); diff != "" || !errors.Is(err, other) {
			t.Errorf("how it is cut matters: %s %v %v", diff, err, other)
		}
	})
}
