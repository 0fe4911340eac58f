package httpapi_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"callcontroller/internal/httpapi"
)

// TestZ02ForwardedByProxies: who the client is, and whether it came by TLS, is believed
// of a configured proxy and of nobody else.
func TestZ02ForwardedByProxies(t *testing.T) {
	const client, proxy, inner, evil = "198.51.100.7", "10.0.0.1", "10.0.0.2", "192.0.2.66"
	var got *http.Request
	h := httpapi.NewHandler(httpapi.Config{
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/30"), netip.MustParsePrefix("fd00::/64")},
		Legacy:  http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }),
	})
	type header = http.Header
	for _, tt := range []struct {
		name   string
		peer   string
		header header
		want   string // the client, "" for 400
		tls    bool
	}{
		{"a proxy", proxy + ":1", header{"X-Forwarded-For": {client}, "X-Forwarded-Proto": {"https"}}, client, true},
		{"a proxy by IPv4-mapped IPv6", "[::ffff:10.0.0.1]:1", header{"X-Forwarded-For": {client}, "X-Forwarded-Proto": {"HTTPS"}}, client, true},
		{"a proxy by IPv6", "[fd00::1]:1", header{"X-Forwarded-For": {"2001:db8::7"}}, "2001:db8::7", false},
		{"plain HTTP to the proxy", proxy + ":1", header{"X-Forwarded-For": {client}, "X-Forwarded-Proto": {"http"}}, client, false},
		{"two proxies", proxy + ":1", header{"X-Forwarded-For": {client + ", " + inner}}, client, false},
		{"the client has made up what stands on the left", proxy + ":1", header{"X-Forwarded-For": {"10.9.9.9, " + client}}, client, false},
		{"and in a field of its own", proxy + ":1", header{"X-Forwarded-For": {"10.9.9.9", client}}, client, false},
		{"and names a proxy", proxy + ":1", header{"X-Forwarded-For": {inner + "," + evil + "," + inner}}, evil, false},
		{"the proto of the client is not that of the proxy", proxy + ":1", header{"X-Forwarded-For": {client}, "X-Forwarded-Proto": {"https, http"}}, client, false},
		{"a proxy asks for itself by another", proxy + ":1", header{"X-Forwarded-For": {inner}}, inner, false},
		{"other fields mean nothing", proxy + ":1", header{"X-Forwarded-For": {client}, "Forwarded": {"for=10.9.9.9;proto=https"}, "X-Real-Ip": {"10.9.9.9"}}, client, false},
		{"a proxy that says nothing", proxy + ":1", nil, "", false},
		{"a proxy that says nonsense", proxy + ":1", header{"X-Forwarded-For": {"unknown"}}, "", false},
		{"nonsense left of the client is the client's", proxy + ":1", header{"X-Forwarded-For": {"unknown, " + client}}, client, false},
		{"a stranger", evil + ":1", header{"X-Forwarded-For": {"10.9.9.9"}, "X-Forwarded-Proto": {"https"}}, evil, false},
		{"a stranger beside the proxies", "10.0.0.4:1", header{"X-Forwarded-For": {client}}, "10.0.0.4", false},
	} {
		got = nil
		r := httptest.NewRequest(http.MethodGet, "http://pbx.test/callcontroller/201/202", nil)
		r.RemoteAddr = tt.peer
		for name, values := range tt.header {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case tt.want == "":
			if got != nil || w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d, served: %t; want 400", tt.name, w.Code, got != nil)
			}
		case got == nil:
			t.Errorf("%s: not served, but %d %s", tt.name, w.Code, w.Body)
		default:
			if a := netip.MustParseAddrPort(got.RemoteAddr).Addr().Unmap().String(); a != tt.want || (got.TLS != nil) != tt.tls {
				t.Errorf("%s: client %s, TLS %t; want %s, %t", tt.name, a, got.TLS != nil, tt.want, tt.tls)
			}
		}
	}
}

// The log has both: the peer, which is certain, and the client as the proxy names it.
func TestZ02ClientInTheLog(t *testing.T) {
	var log bytes.Buffer
	h := httpapi.NewHandler(httpapi.Config{
		Log:     slog.New(slog.NewJSONHandler(&log, nil)),
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")},
		Legacy:  http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	})
	r := httptest.NewRequest(http.MethodGet, "http://pbx.test/callcontroller/201/202", nil)
	r.RemoteAddr, r.TLS = "10.0.0.1:4711", &tls.ConnectionState{}
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	h.ServeHTTP(httptest.NewRecorder(), r)
	for _, want := range []string{`"peer":"10.0.0.1:4711"`, `"client":"198.51.100.7"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
}
