package httpapi_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"callcontroller/internal/httpapi"
)

// TestZ13ForeignPages: what a page of another origin makes a browser send is refused
// whatever its method, before anybody looks at credentials; other clients, and pages
// that are allowed, are served.
func TestZ13ForeignPages(t *testing.T) {
	served := false
	h := httpapi.NewHandler(httpapi.Config{
		Origins: []string{"https://crm.example.com"},
		Legacy:  http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }),
	})
	type header = http.Header
	for _, tt := range []struct {
		name   string
		url    string
		header header
		want   bool
	}{
		{"curl", "http://pbx.test:6667", nil, true},
		{"form post of a foreign page", "https://pbx.test:6666", header{"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"fetch without CORS, older browser", "https://pbx.test:6666", header{"Origin": {"https://evil.test"}}, false},
		{"page without an origin, such as a file", "https://pbx.test:6666", header{"Origin": {"null"}}, false},
		{"img on a foreign page", "https://pbx.test:6666", header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Dest": {"image"}}, false},
		{"neighbour of the same site", "https://pbx.test:6666", header{"Sec-Fetch-Site": {"same-site"}}, false},
		{"another port", "https://pbx.test:6666", header{"Origin": {"https://pbx.test"}}, false},
		{"name with ours in front", "https://pbx.test", header{"Origin": {"https://pbx.test.evil.test"}}, false},
		{"two origins", "https://pbx.test", header{"Origin": {"https://pbx.test", "https://evil.test"}}, false},
		{"two sites", "https://pbx.test", header{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, false},
		{"a value to come", "https://pbx.test", header{"Sec-Fetch-Site": {"next-door"}}, false},
		{"our own page", "https://pbx.test:6666", header{"Origin": {"https://pbx.test:6666"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"our own page, older browser", "https://pbx.test:6666", header{"Origin": {"https://PBX.test:6666"}}, true},
		{"typed by the user", "https://pbx.test:6666", header{"Sec-Fetch-Site": {"none"}}, true},
		{"a page that is allowed", "https://pbx.test:6666", header{"Origin": {"https://crm.example.com"}, "Sec-Fetch-Site": {"cross-site"}}, true},
		{"a name that leads here now", "http://evil.test:6667", header{"Origin": {"http://evil.test:6667"}}, false},
		{"a name that leads here now, newer browser", "http://evil.test:6667", header{"Sec-Fetch-Site": {"same-origin"}}, false},
		{"an address", "http://127.0.0.1:6667", header{"Origin": {"http://127.0.0.1:6667"}}, true},
		{"an IPv6 address", "http://[::1]:6667", header{"Origin": {"http://[::1]:6667"}}, true},
		{"localhost", "http://localhost:6667", header{"Sec-Fetch-Site": {"same-origin"}}, true},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			served = false
			r := httptest.NewRequest(method, tt.url+"/callcontroller/201/202", nil)
			for name, values := range tt.header {
				r.Header[name] = values
			}
			if r.URL.Scheme == "https" {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if served != tt.want || !tt.want && w.Code != http.StatusForbidden {
				t.Errorf("%s, %s: served %t with %d, want %t", tt.name, method, served, w.Code, tt.want)
			}
			for name := range w.Header() {
				if len(name) > 14 && name[:14] == "Access-Control" {
					t.Errorf("%s: the answer has %s", tt.name, name)
				}
			}
		}
	}
}
