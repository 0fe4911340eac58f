package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"callcontroller/test/interop/lab"
)

// python is the system's, which the package python3-requests is for.
const python = "/usr/bin/python3"

// askPython asks twice in one session, so that the second request goes on with the
// nonce of the first, and prints the two statuses and what the last one was sent with.
const askPython = `
import sys, requests, urllib3
urllib3.disable_warnings()
kind, url, user, pin = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.verify = False
session.auth = getattr(requests.auth, kind)(user, pin)
first, second = session.get(url), session.get(url)
print(first.status_code, second.status_code, len(second.history), second.request.headers["Authorization"])
`

// Row R14: clients of other people log in, each with the challenges that it knows.
func TestR14HTTPClientsLogIn(t *testing.T) {
	l := useLab(t)
	for _, digest := range []string{"SHA-256, MD5", "MD5", "SHA-256"} {
		t.Run(digest, func(t *testing.T) {
			server := runServer(t, l, settings{digest: digest})
			first, _, _ := strings.Cut(digest, ",")
			last := digest[strings.LastIndex(digest, " ")+1:]
			for _, base := range []string{server.http, server.https} {
				url := base + "/callcontroller/" + lab.BaresipA + "/" + lab.BaresipB + "?agent=" + lab.BaresipA
				wantCurl(t, 200, "Digest", first, "--digest", "-u", lab.BaresipA+":"+pin, url)
				wantCurl(t, 200, "Digest", first, "--anyauth", "-u", lab.BaresipA+":"+pin, url)
				wantCurl(t, 401, "Digest", first, "--digest", "-u", lab.BaresipA+":1235", url)
				wantCurl(t, 401, "Digest", first, "--digest", "-u", "999:"+pin, url)
				// requests mixes all challenges into one and answers the last.
				wantPython(t, "HTTPDigestAuth", url, "200 200 0 Digest ", `algorithm="`+last+`"`, "nc=00000002")
			}
			url := server.https + "/callcontroller/" + lab.BaresipA + "/" + lab.BaresipB
			wantCurl(t, 200, "Basic", "", "--basic", "-u", lab.BaresipA+":"+pin, url)
			wantPython(t, "HTTPBasicAuth", url, "200 200 0 Basic ")
			plain := strings.Replace(url, server.https, server.http, 1)
			wantCurl(t, 401, "Basic", "", "--basic", "-u", lab.BaresipA+":"+pin, plain)
		})
	}
}

// Digest sends the request twice, the second time with its body if any.
func TestR14CallByDigest(t *testing.T) {
	l := useLab(t, lab.BaresipA, lab.BaresipB)
	server := runServer(t, l, settings{})
	url := server.http + "/callcontroller/" + lab.BaresipA + "/" + lab.BaresipB + "?subject=a%20%22b%22&agent=" + lab.BaresipA
	wantCurl(t, 200, "Digest", "SHA-256", "--digest", "-u", lab.BaresipA+":"+pin, "--data-binary", "x", url)
	talkTogether(t, l, lab.BaresipA, lab.BaresipB)
}

// wantCurl wants a status, and that the last request carried credentials of that
// scheme and algorithm ("" for whatever).
func wantCurl(t *testing.T, status int, scheme, algorithm string, args ...string) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	args = append([]string{"-q", "-k", "-s", "-v", "--noproxy", "*", "--stderr", trace, "-o", os.DevNull, "-w", "%{http_code}"}, args...)
	out, err := exec.CommandContext(t.Context(), "curl", args...).Output() //nolint:gosec // arguments of this file
	if err != nil {
		t.Fatalf("curl %q: %v", args, err)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	sent := text[max(0, strings.LastIndex(string(text), "> Authorization: ")):]
	line, _, _ := strings.Cut(string(sent), "\n")
	if string(out) != strconv.Itoa(status) || !strings.HasPrefix(line, "> Authorization: "+scheme+" ") ||
		algorithm != "" && !strings.Contains(line, "algorithm="+algorithm) {
		t.Errorf("curl %q: status %s, wanted %d, after\n%s", args, out, status, line)
	}
}

// wantPython wants that two requests of one session print these parts.
func wantPython(t *testing.T, kind, url string, parts ...string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), python, "-c", askPython, kind, url, lab.BaresipA, pin) //nolint:gosec // arguments of this file
	var trouble strings.Builder
	run.Stderr = &trouble
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", kind, url, err, trouble.String())
	}
	for _, part := range parts {
		if !strings.Contains(string(out), part) {
			t.Errorf("%s %s prints %s, without %s", kind, url, out, part)
		}
	}
}
