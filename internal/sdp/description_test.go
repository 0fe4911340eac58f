package sdp

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filled is a description of so many bytes.
func filled(n int) []byte {
	body := describe(pcmu)
	return append(body, "a="+strings.Repeat("x", n-len(body)-4)+"\r\n"...)
}

// TestF27Check: what is over the limits, or no description, is told by its own error,
// and nothing of it is passed on.
func TestF27Check(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"a phone's":              {describe(pcmu), nil},
		"LF only":                {[]byte(strings.ReplaceAll(string(describe(pcmu)), "\r\n", "\n")), nil},
		"no CRLF at the end":     {describe("m=audio 4000 RTP/AVP 0"), nil},
		"64 KiB":                 {filled(maxBody), nil},
		"a byte more":            {filled(maxBody + 1), ErrTooLong},
		"64 m-lines":             {describe(strings.Repeat(pcmu, maxMedia)), nil},
		"200 m-lines":            {describe(strings.Repeat(pcmu, 200)), ErrTooMany},
		"NUL":                    {describe(pcmu, "a=x\x00\r\n"), ErrNUL},
		"empty":                  {nil, ErrNoMedia},
		"no m-line":              {describe(), ErrNoMedia},
		"an m-line cut short":    {describe("m=audio 4000\r\n"), ErrMediaLine},
		"no v-line":              {[]byte("o=- 1 1 IN IP4 192.0.2.20\r\n" + pcmu), ErrStart},
		"no o-line":              {[]byte("v=0\r\ns=-\r\n" + pcmu), ErrStart},
		"the o-line in a stream": {[]byte("v=0\r\n" + pcmu + "o=- 1 1 IN IP4 192.0.2.20\r\n"), ErrStart},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Check(c.body); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			s, phone := sink(), sink()
			_, asked := s.PassOffer(phone, c.body)
			_, answered := s.PassAnswer(phone, describe(pcmu), c.body)
			_, refused := s.Refuse(c.body)
			for _, err := range []error{asked, answered, refused} {
				if !errors.Is(err, c.want) {
					t.Errorf("passing on: %v, want %v", err, c.want)
				}
			}
			if c.want != nil && (s.version != 0 || s.slots != nil || phone.slots != nil) {
				t.Errorf("it left a trace: %+v, %+v", s, phone)
			}
		})
	}
}

func TestDead(t *testing.T) {
	const off = "m=audio 0 RTP/AVP 0\r\n"
	for body, want := range map[string]bool{
		string(describe(off)):       true,
		string(describe(off, off)):  true,
		string(describe(off, pcmu)): false,
		string(describe(pcmu)):      false,
		"":                          false,
	} {
		if dead, _ := Check([]byte(body)); dead != want {
			t.Errorf("dead is %v for %q", dead, body)
		}
	}
}

func TestF27Find(t *testing.T) {
	const text = "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\na=x \xff\r\n"
	part := func(kind, body string) string { return "\r\n--b\r\n" + kind + "\r\n\r\n" + body }
	picture := part("Content-Type: image/png", "\x89")
	for name, c := range map[string]struct{ kind, body, want string }{
		"alone":                {MediaType, text, text},
		"wrong case":           {"APPLICATION/Sdp", text, text},
		"with a parameter":     {" application/sdp ;charset=utf-8", text, text},
		"another type":         {"application/sdpfrag", text, ""},
		"no type":              {"", text, ""},
		"mixed":                {"multipart/mixed;boundary=b", picture + part("Content-Type: application/sdp", text) + "\r\n--b--", text},
		"no line before":       {"multipart/mixed;boundary=b", strings.TrimPrefix(part("Content-Type: application/sdp", text), "\r\n") + "\r\n--b--\r\n", text},
		"alternative":          {"Multipart/Alternative; x=y; Boundary=\"b\"", part("content-type :Application/SDP;a=b", text) + picture + "\r\n--b--", text},
		"space around =":       {"multipart/mixed; boundary = \"b\" ", part("Content-Type: application/sdp", text) + "\r\n--b--", text},
		"the first of two":     {"multipart/mixed;boundary=b", part("Content-Type: application/sdp", text) + part("Content-Type: application/sdp", "v=1") + "\r\n--b--", text},
		"a second header":      {"multipart/mixed;boundary=b", part("Content-Disposition: session\r\nContent-Type: application/sdp", text) + "\r\n--b--", text},
		"cut short":            {"multipart/mixed;boundary=b", part("Content-Type: application/sdp", text), text},
		"after the last part":  {"multipart/mixed;boundary=b", picture + "\r\n--b--\r\nContent-Type: application/sdp\r\n\r\n" + text + part("Content-Type: application/sdp", text), ""},
		"none of the parts":    {"multipart/mixed;boundary=b", picture + "\r\n--b--", ""},
		"no boundary":          {"multipart/mixed", part("Content-Type: application/sdp", text), ""},
		"a part without lines": {"multipart/mixed;boundary=b", "\r\n--b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Find(c.kind, []byte(c.body))
			if d := cmp.Diff(c.want, string(got)); d != "" || ok != (c.want != "") {
				t.Errorf("found: %v\n%s", ok, d)
			}
		})
	}
}
