package sdp

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzFind: a description in a body is part of it as it stands, and one in a multipart
// body is found, byte for byte, whatever stands beside it.
func FuzzFind(f *testing.F) {
	f.Add("application/sdp", []byte("v=0\r\n"), []byte("x"))
	f.Add(`multipart/mixed; x=y ;BOUNDARY="a=b"`, []byte("--a=b\r\nContent-Type:application/SDP;x\r\n\r\nv=0\r\n--a=b--"), []byte("\r\n\r\n--"))
	f.Add("multipart/mixed;boundary=", []byte("\r\n--\r\n\r\n"), []byte("Content-Type: application/sdp\r\n\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body, other []byte) {
		if found, ok := Find(kind, body); ok && !bytes.Contains(body, found) || !ok && found != nil {
			t.Errorf("in %q of type %q was found %q, %t", body, kind, found, ok)
		}
		const mark = "--==Boundary_1"
		if bytes.Contains(append(append([]byte(nil), other...), body...), []byte(mark[2:])) {
			return
		}
		part := func(kind string, body []byte) string {
			return "\r\n" + mark + "\r\nContent-ID: <1>\r\nContent-Type: " + kind + "\r\n\r\n" + string(body)
		}
		whole := part("text/plain", other) + part("application/sdp; charset=utf-8", body) + part("application/sdp", other) + "\r\n" + mark + "--\r\n"
		for _, text := range []string{whole, strings.TrimPrefix(whole, "\r\n"), "preamble" + whole + "epilogue"} {
			if found, ok := Find(`multipart/mixed; boundary="`+mark[2:]+`"`, []byte(text)); !ok || !bytes.Equal(found, body) {
				t.Errorf("%q was found, %t, want %q in %q", found, ok, body, text)
			}
		}
	})
}
