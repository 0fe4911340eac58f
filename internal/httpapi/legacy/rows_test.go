package legacy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/policy"
)

// as are credentials of users of the lab.
const (
	as201 = "201:1234"
	as202 = "202:5678"
)

// send sends a request over TLS, with the target as it is, and gives the answer.
func send(t *testing.T, h http.Handler, method, target, userinfo, body string) *httptest.ResponseRecorder {
	t.Helper()
	raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: pbx.test\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr, r.TLS = "192.0.2.7:40000", &tls.ConnectionState{}
	if user, pin, ok := strings.Cut(userinfo, ":"); ok {
		r.SetBasicAuth(user, pin)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// document is what a client reads of either document.
type document struct {
	XMLName xml.Name
	Rows    []struct {
		Timestamp  int64  `xml:"timestamp"`
		CallID     string `xml:"call-id"`
		Method     string `xml:"method"`
		StatusLine string `xml:"status-line"`
	} `xml:"status"`
	Code int    `xml:"error-code"`
	Text string `xml:"error-text"`
}

func read(t *testing.T, w *httptest.ResponseRecorder) document {
	t.Helper()
	var d document
	if err := xml.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatalf("%v in %d %q", err, w.Code, w.Body)
	}
	return d
}

// wantRefusal checks that a POST is refused with that status, in an error document
// that says so too, and that no call was made.
func wantRefusal(t *testing.T, l *controltest.Lab, w *httptest.ResponseRecorder, status int, what string) {
	t.Helper()
	if w.Code != status || w.Header().Get("Content-Type") != "text/xml;charset=UTF-8" {
		t.Errorf("%s: the answer is %d %s %q, want %d", what, w.Code, w.Header().Get("Content-Type"), w.Body, status)
		return
	}
	if d := read(t, w); d.Code != status || d.Text == "" || d.XMLName.Local != "processing-status" {
		t.Errorf("%s: the document is %+v", what, d)
	}
	if n := len(l.Signals.Lines()); n != 0 {
		t.Errorf("%s: %d calls were made", what, n)
	}
}

// TestR02Bodies: 200 with no body to speak of, and with one byte; 413 above the cap.
func TestR02Bodies(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	for _, tt := range []struct {
		name string
		size int
		want int
	}{{"none", 0, 200}, {"a NUL byte", 1, 200}, {"the cap", httpapi.MaxBody, 200}, {"above", httpapi.MaxBody + 1, 413}, {"10 MB", 10 << 20, 413}} {
		w := send(t, h, "POST", "/callcontroller/201/202", as201, string(make([]byte, tt.size)))
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
		if w.Code == 200 && (w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" || w.Header().Get("Content-Type") != "") {
			t.Errorf("%s: the answer is %v %q", tt.name, w.Header(), w.Body)
		}
	}
	if got := len(l.Signals.Lines()); got != 3 {
		t.Errorf("%d calls were made, want 3", got)
	}
}

// TestR03RowAtOnce: a response is to be seen by the next GET.
func TestR03RowAtOnce(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	send(t, h, "POST", "/callcontroller/201/202", as201, "")
	l.Signals.Last().Progress(100, "Trying")
	if d := read(t, send(t, h, "GET", "/callcontroller/201/202", as201, "")); len(d.Rows) != 1 || d.Rows[0].StatusLine != "SIP/2.0 100 Trying" {
		t.Errorf("the document is %+v", d)
	}
}

// TestR05Paths: paths of another form are 404 for everybody, never another path.
func TestR05Paths(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	for _, target := range []string{
		"/", "/callcontroller", "/callcontroller/", "/callcontroller/201", "/callcontroller/201/", "/callcontroller//202", "/callcontroller/201//",
		"/callcontroller/201//202", "/callcontroller/201/202//", "/callcontroller/201/202/203", "/callcontroller/a/../201/202", "//callcontroller/201/202",
		"/x/../callcontroller/201/202", "/Callcontroller/201/202", "/%63allcontroller/201/202", "/callcontroller/201%2F202", "/callcontroller/a^b%2F202",
		"/callcontroller/./201/202", "/sipxconfig/rest/my", "*",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "OPTIONS"} {
			if w := send(t, h, method, target, as201, ""); w.Code != 404 || w.Body.String() != "not found\n" {
				t.Errorf("%s %s: %d %q %v", method, target, w.Code, w.Body, w.Header())
			}
		}
	}
	// These have the form, with strange names in it: they are refused as names.
	for _, target := range []string{"/callcontroller/201/..", "/callcontroller/../healthz", "/callcontroller/201/%2e%2e", "/callcontroller/201/%2E", "/callcontroller/201/;x"} {
		wantRefusal(t, l, send(t, h, "POST", target, as201, ""), 400, target)
	}
	if w := send(t, h, "POST", "/callcontroller/201/..", "", ""); w.Code != 401 {
		t.Errorf("a stranger gets %d", w.Code)
	}
}

// TestR06BadNumbers: whatever is no number of seconds, or too large a one, is 400.
func TestR06BadNumbers(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	for _, name := range []string{"timeout", "resultCacheTime"} {
		for _, value := range []string{
			"abc", "-1", "-0", "1e9", "", "2147483648", "9223372036854775808", "99999999999999999999999", "+5", "%2B5", "5.0", "0x10", "5s", "%205", "5%20",
			"-", "1_000", "\u0665", "86401", "NaN", "%00", "-9223372036854775809",
		} {
			target := "/callcontroller/201/202?" + name + "=" + url.PathEscape(strings.ReplaceAll(value, "%", "\x01"))
			target = strings.ReplaceAll(target, "%01", "%")
			w := send(t, h, "POST", target, as201, "")
			wantRefusal(t, l, w, 400, target)
			if d := read(t, w); !strings.HasPrefix(d.Text, "Bad parameter "+name+" = ") {
				t.Errorf("%s: the text is %q", target, d.Text)
			}
		}
	}
	for value, want := range map[string]string{"0": "3m0s", "1": "1s", "007": "7s", "3600": "1h0m0s"} {
		send(t, h, "POST", "/callcontroller/201/202?timeout="+value, as201, "")
		if got := l.Signals.Last().Order.RingTimeout.String(); got != want {
			t.Errorf("timeout=%s makes the phone ring for %s, want %s", value, got, want)
		}
	}
}

// TestR09ParallelPosts: fifty at once leave one live call and its record.
func TestR09ParallelPosts(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if w := send(t, h, "POST", "/callcontroller/201/202", as201, ""); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if l.Engine.Len() != 1 || l.Records() != 1 || len(l.Signals.Lines()) != 50 {
		t.Errorf("%d calls of %d live, %d records", l.Engine.Len(), len(l.Signals.Lines()), l.Records())
	}
	ringing := 0
	for _, d := range l.Signals.Done() {
		switch d.Effect.(type) {
		case call.Invite:
			ringing++
		case call.Cancel:
			ringing--
		}
		if ringing > 1 {
			t.Fatal("two calls ring at once")
		}
	}
	if ringing != 1 {
		t.Errorf("%d calls ring", ringing)
	}
}

// TestR10GetIsSafe: a thousand GETs while the call moves see whole documents that
// only grow, are not to be cached, and do nothing.
func TestR10GetIsSafe(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	send(t, h, "POST", "/callcontroller/201/202", as201, "")
	line := l.Signals.Last()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			seen := 0
			for range 100 {
				w := send(t, h, "GET", "/callcontroller/201/202", as201, "")
				var d document
				if err := xml.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Header().Get("Cache-Control") != "no-store" || len(d.Rows) < seen {
					t.Errorf("after %d rows: %v, %v, %q", seen, err, w.Header(), w.Body)
					return
				}
				seen = len(d.Rows)
				for i, r := range d.Rows {
					if want := fmt.Sprintf("SIP/2.0 %d <&>", 180+i); r.StatusLine != want {
						t.Errorf("row %d is %q, want %q", i, r.StatusLine, want)
					}
				}
			}
		})
	}
	for i := range 40 {
		line.Progress(180+i, "<&>")
	}
	wg.Wait()
	if did := l.Signals.Done(); len(did) != 1 {
		t.Errorf("%d effects, want the INVITE alone", len(did))
	}
}

// TestZ03AgentImpersonation: nobody acts for another, and nothing is sent.
func TestZ03AgentImpersonation(t *testing.T) {
	for target, want := range map[string]int{
		"/callcontroller/201/202?agent=202":                            403,
		"/callcontroller/201/202?agent=bob":                            403,
		"/callcontroller/201/202?agent=BOB":                            403,
		"/callcontroller/201/202?agent=ALICE":                          403,
		"/callcontroller/202/201":                                      403,
		"/callcontroller/bob/201":                                      403,
		"/callcontroller/201/202?agent=999":                            403,
		"/callcontroller/201/202?agent=":                               400,
		"/callcontroller/201/202?agent=201&agent=202":                  400,
		"/callcontroller/201/202?agent=201&agent=201":                  400,
		"/callcontroller/201/202?agent=202&action=transfer":            400, // no target
		"/callcontroller/201/202?agent=202&action=transfer&target=203": 403,
	} {
		l := controltest.New(t, nil)
		wantRefusal(t, l, send(t, newHandler(l, nil), "POST", target, as201, ""), want, target)
	}
}

// TestZ04Smuggling: what is checked is what is done, however the query is written.
func TestZ04Smuggling(t *testing.T) {
	for target, want := range map[string]int{
		"/callcontroller/201/202?xagent=201&agent=202":        403,
		"/callcontroller/201/202?subject=agent=201&agent=202": 403,
		"/callcontroller/201/202?%61gent=202":                 403,
		"/callcontroller/201/202?agent=%32%30%32":             403,
		"/callcontroller/201/202?agent=201;agent=202":         400,
		"/callcontroller/201/202?agent=201&%61gent=202":       400,
		"/callcontroller/201/202?agent=201%26agent=202":       403, // one value, and no user of that name
		"/callcontroller/201/202?agent=201#&agent=202":        400,
		"/callcontroller/201/202?agent=20%zz":                 400,
		"/callcontroller/201/202?agent=20%":                   400,
		"/callcontroller/201/202?action=call&action=transfer": 400,
		"/callcontroller/201/202?sipMethod=refer&sipMethod=x": 400,
		"/callcontroller/201/202?target=1&target=2":           400,
	} {
		l := controltest.New(t, nil)
		wantRefusal(t, l, send(t, newHandler(l, nil), "POST", target, as201, ""), want, target)
	}
	// The agent is a name in the value of another parameter: it means nothing.
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	send(t, h, "POST", "/callcontroller/201/202?subject=%26agent=202", as201, "")
	if o := l.Signals.Last().Order; o.Agent.User != "201" || o.Subject != "&agent=202" {
		t.Errorf("the order is %+v", o)
	}
}

// TestZ05Z06Injection: what is more than a name, or a line of text, is refused in
// every place; what is left becomes an escaped user part.
func TestZ05Z06Injection(t *testing.T) {
	evil := []string{
		"%0d%0aRoute:%20<sip:evil>", "202%0d%0aRoute:%20%3Csip:evil%3E", "202%0a", "202%00", "202%E2%80%A8", "202%C0%AF", "202%ff",
	}
	uris := []string{
		"202;transport=tcp", "202%3Ftransport=tcp", "202%3FReplaces=x", "202>;x=<", "sip:202", "tel:202", "%22x%22%20%3Csip:y%3E", "a@b@c", "[::1]", "@h",
		strings.Repeat("2", 4096), "202%20", "202%2C203",
	}
	for _, text := range append(evil, uris...) {
		for _, target := range []string{
			"/callcontroller/" + text + "/202?agent=201", "/callcontroller/201/" + text,
			"/callcontroller/201/202?agent=" + strings.ReplaceAll(text, ";", "%3B"),
			"/callcontroller/201/202?action=transfer&target=" + strings.ReplaceAll(text, ";", "%3B"),
		} {
			l := controltest.New(t, nil)
			wantRefusal(t, l, send(t, newHandler(l, nil), "POST", target, as201, ""), 400, target)
		}
	}
	for _, text := range evil {
		for _, target := range []string{"/callcontroller/201/202?subject=" + text, "/callcontroller/201/202?confpin=" + text} {
			l := controltest.New(t, nil)
			wantRefusal(t, l, send(t, newHandler(l, nil), "POST", target, as201, ""), 400, target)
		}
	}
	l := controltest.New(t, nil)
	send(t, newHandler(l, nil), "POST", "/callcontroller/201/%2A72%23?confpin=12%26Route%3D%3Csip%3Ae%3E", as201, "")
	if got, want := l.Signals.Last().Order.ConfPIN, "12&Route=<sip:e>"; got != want {
		t.Errorf("Refer-To is %s, want %s (row T22)", got, want)
	}
}

// TestR11Exhausted: above the limit, and while the server goes down, a client is told
// when to come again.
func TestR11Exhausted(t *testing.T) {
	l := controltest.New(t, func(c *control.Config) { c.MaxCalls = 1 })
	h := newHandler(l, nil)
	send(t, h, "POST", "/callcontroller/202/201", as202, "")
	for range 2 {
		w := send(t, h, "POST", "/callcontroller/201/202", as201, "")
		if d := read(t, w); w.Code != 503 || d.Code != 503 || w.Header().Get("Retry-After") != "10" {
			t.Errorf("the answer is %d %v %+v", w.Code, w.Header(), d)
		}
		l.Drain()
	}
}

// TestR11Limited: who has had his share is told when to come again, and by which rule.
func TestR11Limited(t *testing.T) {
	l := controltest.New(t, func(c *control.Config) { c.Policy = policy.New(policy.Config{Default: policy.Set{PerMinute: 1}}) })
	h := newHandler(l, nil)
	send(t, h, "POST", "/callcontroller/201/202", as201, "")
	w := send(t, h, "POST", "/callcontroller/201/203", as201, "")
	if d := read(t, w); w.Code != 429 || d.Code != 429 || w.Header().Get("Retry-After") != "60" || d.Text != "the limit of 1 is reached (policy.default.calls_per_minute)" {
		t.Errorf("the answer is %d %v %+v", w.Code, w.Header(), d)
	}
}

// TestZ22ResultPrivacy: how a call stands is told to its agent, an administrator and a
// trusted network; to nobody else, not even to its parties, and not whether there is one.
func TestZ22ResultPrivacy(t *testing.T) {
	l := controltest.New(t, nil)
	h := newHandler(l, nil)
	send(t, h, "POST", "/callcontroller/202/203?agent=201", as201, "")
	l.Signals.Last().Progress(180, "Ringing")
	const mine = "/callcontroller/202/203?agent=201"
	if d := read(t, send(t, h, "GET", mine, as201, "")); len(d.Rows) != 1 {
		t.Errorf("the agent sees %+v", d)
	}
	asked := func(target, userinfo string) string {
		w := send(t, h, "GET", target, userinfo, "")
		return fmt.Sprint(w.Code, w.Header(), w.Body)
	}
	none := asked("/callcontroller/202/zoë?agent=201", as202)
	for _, target := range []string{mine, "/callcontroller/202/203?agent=alice"} {
		if got := asked(target, as202); got != none || !strings.HasPrefix(got, "403") {
			t.Errorf("the calling party sees\n%s\nand of no call\n%s", got, none)
		}
	}
	for _, target := range []string{"/callcontroller/202/203", "/callcontroller/202/203?agent=202"} {
		if d := read(t, send(t, h, "GET", target, as202, "")); len(d.Rows) != 0 || d.XMLName.Local != "status-lines" {
			t.Errorf("without the agent there is %+v", d)
		}
	}
}

// noTimes leaves out what has digits that could look like a PIN.
func noTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "took_ms" {
		return slog.Attr{}
	}
	return a
}

// TestZ21LogInjection: whatever a request holds, the log has one line of JSON for
// each event, and no secret.
func TestZ21LogInjection(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTimes}))
	l := controltest.New(t, func(c *control.Config) { c.Log = logger })
	h := newHandler(l, logger)
	const nasty = "%0d%0a%1b[31m%7b%22level%22:%22ERROR%22%7d"
	targets := []string{
		"/callcontroller/201" + nasty + "/202", "/callcontroller/201/202" + nasty, "/" + nasty,
		"/callcontroller/201/202?confpin=4711&subject=geheim", "/callcontroller/201/" + strings.Repeat("x", 10_000),
	}
	for _, name := range []string{"agent", "subject", "confpin", "timeout", "action", "sipMethod", "target", nasty} {
		targets = append(targets, "/callcontroller/201/202?"+name+"=4711"+nasty)
	}
	for _, target := range targets {
		send(t, h, "POST", target, as201, "")
		send(t, h, "GET", target, "201:wrong-PIN\r\n", "")
	}
	requests := 0
	for line := range strings.Lines(log.String()) {
		var entry struct{ Msg, Path string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Msg == "" || len(entry.Path) > 300 {
			t.Errorf("%v in the line %q", err, line)
		}
		if entry.Msg == "request" {
			requests++
		}
	}
	if requests != 2*len(targets) {
		t.Errorf("%d lines for %d requests", requests, 2*len(targets))
	}
	for _, secret := range []string{"4711", "geheim", "1234", "wrong-PIN", "\x1b", "Basic"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q stands in the log", secret)
		}
	}
}
