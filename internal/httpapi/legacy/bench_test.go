package legacy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"callcontroller/internal/control/controltest"
)

// discard is a ResponseWriter that is used again and again.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func benchmarkRequest(b *testing.B, method string, rows int) {
	b.Helper()
	l := controltest.New(b, nil)
	l.Signals.Forget = true
	h := newHandler(l, nil)
	w := &discard{header: http.Header{}}
	r := httptest.NewRequest(http.MethodPost, "https://pbx.test/callcontroller/201/202?agent=201&timeout=20", nil)
	r.RemoteAddr = "10.1.2.3:40000"
	request := func(method string) {
		r.Method, r.Body = method, http.NoBody
		h.ServeHTTP(w, r)
		clear(w.header)
	}
	request(http.MethodPost)
	for range rows {
		l.Signals.Last().Progress(180, "Ringing")
	}
	b.ReportAllocs()
	for b.Loop() {
		request(method)
	}
}

// BenchmarkPost is a POST that replaces a call of the same key, with its CANCEL, the
// 487, and the new INVITE; without network and password.
func BenchmarkPost(b *testing.B) { benchmarkRequest(b, http.MethodPost, 0) }

// BenchmarkGet is a GET of a record with eight rows.
func BenchmarkGet(b *testing.B) { benchmarkRequest(b, http.MethodGet, 8) }
