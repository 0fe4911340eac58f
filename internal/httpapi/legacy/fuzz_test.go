package legacy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callcontroller/internal/auth"
	"callcontroller/internal/control"
	"callcontroller/internal/engine"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/httpapi/legacy"
)

// recorder implements legacy.Control and auth.Authenticator: it takes everything.
type recorder struct {
	place    *control.PlaceRequest
	status   *control.StatusRequest
	transfer *control.TransferRequest
}

func (r *recorder) Place(_ context.Context, _ auth.Principal, p control.PlaceRequest) (*engine.Running, error) {
	r.place = &p
	return &engine.Running{}, nil
}

func (r *recorder) Transfer(_ context.Context, _ auth.Principal, p control.TransferRequest) error {
	r.transfer = &p
	return nil
}

func (r *recorder) Status(_ context.Context, _ auth.Principal, s control.StatusRequest) (*engine.Running, bool, error) {
	r.status = &s
	return nil, false, nil
}

func (r *recorder) Limits() control.Limits {
	return control.Limits{Ring: time.Hour, Keep: 24 * time.Hour}
}

func (r *recorder) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Trusted: true}, nil
}

func (r *recorder) Challenge(*http.Request, error) []string { return nil }

// FuzzRequestTarget: what reaches the use cases is what stands in the request, read
// in the one way in which it can be read: two segments of the path, and of each
// parameter the one value, each decoded once. The reading here is its own.
func FuzzRequestTarget(f *testing.F) {
	for _, target := range []string{
		"/callcontroller/201/202", "/callcontroller/2%301/a%2Fb/", "/callcontroller/a^b%2Fc", "/callcontroller/%25%32%35/+?agent=a+b&subject=%26agent=c",
		"/callcontroller/201/202?agent=1&agent=2", "/callcontroller/201/202?a;agent=2", "/callcontroller/201/202?action=transfer&target=%20",
		"/callcontroller/201/202?timeout=07&resultCacheTime=0&confpin=&isForwardingAllowed=tRUE&sipMethod=", "/callcontroller/../201?&&=&agent", "/callcontroller/a/b#c?d",
	} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
			if err != nil || r.RequestURI != target || !strings.HasPrefix(target, "/") {
				return
			}
			r.TLS = &tls.ConnectionState{}
			var rec recorder
			w := httptest.NewRecorder()
			httpapi.NewHandler(httpapi.Config{Legacy: &legacy.Handler{Control: &rec, Auth: &rec}}).ServeHTTP(w, r)
			if w.Code == 200 && strings.HasPrefix(target, httpapi.LegacyPath) {
				checkReading(t, target, &rec)
			} else if rec != (recorder{}) {
				t.Errorf("%s %q is answered %d, but was done: %+v", method, target, w.Code, rec)
			}
		}
	})
}

// checkReading compares what was done with the target.
func checkReading(t *testing.T, target string, rec *recorder) {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(segments) != 4 {
		t.Fatalf("%q has %d segments", target, len(segments)-2)
	}
	want := control.StatusRequest{Calling: unescape(t, segments[2], false), Called: unescape(t, segments[3], false)}
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(t, name, true), unescape(t, value, true)
		if strings.Contains(pair, ";") {
			t.Errorf("%q: taken with a separator that some read and some do not", target)
		}
		if _, again := values[name]; !again && pair != "" {
			values[name] = value
		} else if again && (name == "agent" || name == "target" || name == "sipMethod" || name == "action") {
			t.Errorf("%q: taken with two values for %s", target, name)
		}
	}
	want.Agent = values["agent"]
	switch {
	case rec.status != nil:
		if *rec.status != want {
			t.Errorf("%q: status of %+v, want %+v", target, *rec.status, want)
		}
	case rec.transfer != nil:
		if *rec.transfer != (control.TransferRequest{StatusRequest: want, Target: values["target"]}) || values["action"] != "transfer" {
			t.Errorf("%q: transfer of %+v, want %+v", target, *rec.transfer, values)
		}
	default:
		checkPlace(t, target, *rec.place, want, values)
	}
}

func checkPlace(t *testing.T, target string, got control.PlaceRequest, parties control.StatusRequest, values map[string]string) {
	t.Helper()
	seconds := func(name string, otherwise int) time.Duration {
		if text, ok := values[name]; ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Errorf("%q: taken with %s=%q", target, name, text)
			}
			otherwise = n
		}
		return time.Duration(otherwise) * time.Second
	}
	method, ok := values["sipMethod"]
	if !ok {
		method = "refer"
	}
	want := control.PlaceRequest{
		Method: method, Agent: parties.Agent, Calling: parties.Calling, Called: parties.Called,
		Subject: values["subject"], ConfPIN: values["confpin"], Forwarding: strings.EqualFold(values["isForwardingAllowed"], "true"),
		Ring: seconds("timeout", 0), Keep: seconds("resultCacheTime", 180),
	}
	if !cmp.Equal(got, want) {
		t.Errorf("%q: placed %+v, want %+v", target, got, want)
	}
}

// unescape decodes once; with form, "+" is a space.
func unescape(t *testing.T, s string, form bool) string {
	t.Helper()
	var b []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%':
			n, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
			if err != nil || i+3 > len(s) {
				t.Fatalf("%q was taken with an escape that is none", s)
			}
			b = append(b, byte(n))
			i += 2
		case s[i] == '+' && form:
			b = append(b, ' ')
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}
