package client

import (
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callcontroller/api"
)

func TestAddressOfTheServer(t *testing.T) {
	for _, server := range []string{"", "cc.example.com", "ftp://cc.example.com", "https://", "https://h?x=1", "https://user:geheim@h", "https://h:port"} {
		_, err := New(server)
		if err == nil {
			t.Errorf("%q is taken", server)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("the error has the password: %v", err)
		}
	}
	for name, option := range map[string]Option{"Basic": Basic("201", "geheim"), "Token": Token("geheim")} {
		if _, err := New("http://h", option); err == nil {
			t.Errorf("%s is taken for http", name)
		}
	}
}

// serve answers requests like the server at the path /cc.
func serve(t *testing.T, handler http.HandlerFunc, options ...Option) *Client {
	t.Helper()
	server := httptest.NewTLSServer(http.StripPrefix("/cc", handler))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c, err := New(server.URL+"/cc/", append(options, RootCAs(roots))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequests(t *testing.T) {
	order := api.PlaceCall{Caller: "201", Callee: "202"}
	tests := map[string]func(*Client) error{
		"POST /v1/calls":          func(c *Client) error { _, err := c.Place(t.Context(), order); return err },
		"POST /v1/calls:check":    func(c *Client) error { _, err := c.Check(t.Context(), order); return err },
		"GET /v1/calls/A%2FB":     func(c *Client) error { _, err := c.Call(t.Context(), "A/B"); return err },
		"DELETE /v1/calls/A":      func(c *Client) error { return c.Hangup(t.Context(), "A") },
		"POST /v1/calls/A/hold":   func(c *Client) error { _, err := c.Hold(t.Context(), "A"); return err },
		"POST /v1/calls/A/resume": func(c *Client) error { _, err := c.Resume(t.Context(), "A"); return err },
		"GET /v1/calls":           func(c *Client) error { _, err := c.Calls(t.Context(), Query{}); return err },
		"GET /v1/calls?agent=a%26b&cursor=c&limit=3&party=p&state=connected": func(c *Client) error {
			_, err := c.Calls(t.Context(), Query{Agent: "a&b", Party: "p", State: "connected", Limit: 3, Cursor: "c"})
			return err
		},
		"POST /v1/calls/A/transfer": func(c *Client) error {
			_, err := c.Transfer(t.Context(), "A", api.TransferCall{Target: "203"})
			return err
		},
	}
	for want, ask := range tests {
		t.Run(want, func(t *testing.T) {
			var got string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/cc")
				if user, password, _ := r.BasicAuth(); user != "201" || password != "geheim" {
					t.Errorf("credentials %q, %q", user, password)
				}
				if r.Method == http.MethodDelete {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				w.Write([]byte("{}"))
			}, Basic("201", "geheim"))
			if err := ask(c); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestErrorHasTheProblem(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		w.Write([]byte(`{"type":"urn:callcontroller:problem:busy","title":"Busy","status":200,"detail":"too many","rule":"calls_per_minute","errors":[{"location":"body.caller","message":"is unknown"}]}`))
	})
	_, err := c.Place(t.Context(), api.PlaceCall{})
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := api.Problem{
		Type: "urn:callcontroller:problem:busy", Title: "Busy", Status: 429, Detail: "too many", Rule: "calls_per_minute",
		Errors: []api.Fault{{Location: "body.caller", Message: "is unknown"}},
	}
	if diff := cmp.Diff(want, e.Problem); diff != "" {
		t.Error(diff)
	}
	const text = "POST /v1/calls: 429 Busy: too many; body.caller: is unknown (rule calls_per_minute), try again in 1m0s"
	if err.Error() != text {
		t.Errorf("got %q", err)
	}
}

func TestErrorWithoutAProblem(t *testing.T) {
	for name, header := range map[string]string{"a page": "text/html", "half a problem": "application/problem+json"} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", header)
				w.WriteHeader(http.StatusForbidden)
				w.Write([]byte(`{"detail": "<html>`))
			})
			if _, err := c.Call(t.Context(), "A"); err == nil || err.Error() != "GET /v1/calls/A: 403 Forbidden" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNoJSON(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) })
	if _, err := c.Call(t.Context(), "A"); err == nil || !strings.Contains(err.Error(), "GET /v1/calls/A: the answer is not the JSON") {
		t.Errorf("got %v", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked, with the credentials %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, Basic("201", "geheim"))
	_, err := c.Call(t.Context(), "A")
	if e, ok := errors.AsType[*Error](err); !ok || e.Problem.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %v", err)
	}
}

func TestDigestSendsNoPassword(t *testing.T) {
	var seen []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		if seen[len(seen)-1] == "" {
			w.Header().Set("WWW-Authenticate", `Digest realm="example.com", nonce="n", qop="auth", algorithm=SHA-256`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Write([]byte("{}"))
	}, Digest("201", "geheim"))
	if _, err := c.Place(t.Context(), api.PlaceCall{Caller: "201"}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || !strings.Contains(seen[1], `username="201"`) || strings.Contains(seen[1], "geheim") {
		t.Errorf("credentials %q", seen)
	}
}

func TestToken(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer geheim" {
			t.Errorf("credentials %q", got)
		}
		w.Write([]byte("{}"))
	}, Digest("201", "1234"), Token("geheim")) // the last counts
	if _, err := c.Call(t.Context(), "A"); err != nil {
		t.Error(err)
	}
}

func TestPlaceOnce(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Idempotency-Key"); got != `"a \"b\" \\"` {
			t.Errorf("the key is %s", got)
		}
		w.Header().Set("Idempotent-Replayed", "true")
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{"id":"A"}`))
	})
	call, replayed, err := c.PlaceOnce(t.Context(), `a "b" \`, api.PlaceCall{Caller: "201", Callee: "202"})
	if err != nil || !replayed || call.ID != "A" {
		t.Errorf("got %v, %t, %v", call, replayed, err)
	}
}

func TestUnknownCertificate(t *testing.T) {
	asked := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Write([]byte("{}"))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	for _, test := range []struct {
		options []Option
		want    int
	}{{nil, 0}, {[]Option{Insecure()}, 1}} {
		c, err := New(server.URL, test.options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, err = c.Call(t.Context(), "A")
		if asked != test.want || (err == nil) != (test.want == 1) {
			t.Errorf("asked %d times, error %v", asked, err)
		}
	}
}

func TestAllPages(t *testing.T) {
	pages := map[string]string{"": `{"calls":[{"id":"A"},{"id":"B"}],"next":"x"}`, "x": `{"calls":[{"id":"C"}],"next":"y"}`, "y": `{"calls":[],"next":"y"}`}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(pages[r.URL.Query().Get("cursor")])) })
	var ids string
	var last error
	for call, err := range c.All(t.Context(), Query{}) {
		ids, last = ids+call.ID, err
	}
	if ids != "ABC" || last == nil || !strings.Contains(last.Error(), "to itself") {
		t.Errorf("got %s, %v", ids, last)
	}
}
