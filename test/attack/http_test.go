package attack

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

const (
	as201  = "201:" + pin201
	as202  = "202:" + pin202
	path   = "/callcontroller/201/202"
	portal = "/sipxconfig/rest/my/redirect/callcontroller/201/202"
)

func z01Host(w *world) {
	for _, host := range []string{"pbx:6667", "127.0.0.1:6667", "localhost", "192.0.2.1:6667", w.http} {
		w.refused("", path, []string{"Host: " + host}, 401)
	}
	w.want(request{plain: true, method: http.MethodPost, target: path, fields: []string{"Host: 192.0.2.1:6667"}}, 401, 403)
}

func z02Proxy(w *world) {
	for _, field := range []string{
		"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1;proto=https", "X-Real-IP: 192.0.2.1", "sipx-user: 201", "X-Forwarded-Proto: https",
		"X-Forwarded-For: 198.51.100.1, 192.0.2.1", "True-Client-IP: 192.0.2.1", "X-Forwarded-Host: 192.0.2.1:6667",
	} {
		w.refused("", path, []string{field}, 401)
		w.want(request{plain: true, method: http.MethodPost, target: path, as: as201, fields: []string{field, "X-Forwarded-Proto: https"}}, 401, 403)
	}
}

func z03Agent(w *world) {
	for _, query := range []string{"agent=202", "agent=bob", "agent=ALICE", "agent=%32%30%32", "agent=nobody"} {
		w.refused(as201, path+"?"+query, nil, 403)
	}
	for _, query := range []string{"agent=", "agent=201&agent=202", "agent=202&agent=201"} {
		w.refused(as201, path+"?"+query, nil, 400, 403)
	}
	w.refused(as201, "/callcontroller/202/201", nil, 403)
}

func z04Redirector(w *world) {
	for _, query := range []string{
		"xagent=201&agent=202", "subject=agent=201&agent=202", "%61gent=202", "agent=201;agent=202", "agent=201%26agent=202", "agent=202#agent=201",
	} {
		w.refused(as201, portal+"?"+query, nil, 400, 401)
		w.refused(as201, path+"?"+query, nil, 400, 403)
	}
	w.refused(as201, "/sipxconfig/rest/my/redirect/callcontroller/agent=201/202?agent=202", nil, 401)
	w.refused(as201, "/sipxconfig/rest/my/redirect/callcontroller/202/201", []string{"sipx-user: 202"}, 401)
}

func z05LineEnds(w *world) {
	for _, evil := range []string{"%0d%0aRoute:%20<sip:evil>", "%0a", "%0d", "%00", "%E2%80%A8", "%C0%AF", "%ff", "%C2%85"} {
		for _, target := range []string{
			"/callcontroller/201" + evil + "/202?agent=201", "/callcontroller/201/202" + evil, path + "?agent=201" + evil, path + "?subject=x" + evil, path + "?confpin=x" + evil,
			path + "?action=transfer&target=203" + evil, portal + "?subject=x" + evil,
		} {
			w.refused(as201, target, nil, 400)
		}
	}
}

func z06URI(w *world) {
	for _, evil := range []string{
		"202;transport=tcp", "202%3BTransport=tcp", "202%3FReplaces=x", "202>;x=<", "sip:202", "tel:202", "%22x%22%20%3Csip:y%3E", "a@b@c", "[::1]", "@h", "..",
		strings.Repeat("2", 4096), "202%2C203", "202%20",
	} {
		w.refused(as201, "/callcontroller/201/"+evil, nil, 400)
		w.refused(as201, "/callcontroller/"+evil+"/202?agent=201", nil, 400)
	}
}

func z07Hosts(w *world) {
	hosts := []string{"evil.example", "attacker.test", w.bait, w.bait + ";transport=tcp", "127.0.0.1", "localhost", "[::1]:22", "169.254.169.254", "example.test:22", "partner.test:22", "example.test.evil.example", "0x7f000001"}
	for _, host := range append(hosts, strangers...) {
		for _, target := range []string{"/callcontroller/201/x@" + host, "/callcontroller/x@" + host + "/202?agent=201", path + "?action=transfer&target=x@" + strings.ReplaceAll(host, ";", "%3B")} {
			w.refused(as201, target, nil, 400, 403)
		}
	}
}

func z11Enumeration(w *world) {
	want := w.refused("201:wrong", path, nil, 401)
	for _, as := range []string{"999:wrong", "203:wrong", "203:", "alice:wrong", "bob:"} {
		got := w.refused(as, path, nil, 401)
		got.header.Set("Date", want.header.Get("Date"))
		if a, b := steady(got), steady(want); a != b {
			w.Errorf("as %s:\n%s\nas 201:\n%s", as, a, b)
		}
	}
}

// steady is a reply without what differs by chance.
func steady(r reply) string {
	fields := r.header.Values("WWW-Authenticate")
	for i, f := range fields {
		if before, after, ok := strings.Cut(f, `nonce="`); ok {
			_, after, _ = strings.Cut(after, `"`)
			fields[i] = before + after
		}
	}
	r.header.Del("Date")
	return fmt.Sprint(r.status, r.header, r.body)
}

func z12NoPIN(w *world) {
	for _, as := range []string{"203:", "203:203", "203:null", "203"} {
		w.refused(as, "/callcontroller/203/202", nil, 401)
	}
}

func z13Pages(w *world) {
	for _, fields := range [][]string{
		{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain"},
		{"Origin: null"},
		{"Sec-Fetch-Site: cross-site"},
		{"Sec-Fetch-Site: same-site"},
		{"Origin: https://evil.example", "Host: evil.example:6666"},
	} {
		got := w.refused(as201, path, fields, 403)
		w.want(request{method: http.MethodGet, target: path, as: as201, fields: fields}, 403)
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control") {
				w.Errorf("the answer has %s", name)
			}
		}
	}
	w.want(request{method: http.MethodOptions, target: path, fields: []string{"Origin: https://evil.example", "Access-Control-Request-Method: POST"}}, 403)
}

func z18SlowAndLarge(w *world) {
	got := w.exchange(false, http.MethodPost, "POST "+path+" HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n")
	if got.status != 413 {
		w.Errorf("1 GB is answered %d", got.status)
	}
	got = w.exchange(false, http.MethodGet, "GET "+path+" HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	if got.status != 431 {
		w.Errorf("a header of 1 MiB is answered %d", got.status)
	}
	w.crowd()
}

// crowd opens more connections than one address may have; those above are closed.
func (w *world) crowd() {
	served, closed := 0, 0
	for range 100 {
		conn := w.dial(true)
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			closed++
			continue
		}
		if n, _ := conn.Read(make([]byte, 1)); n == 1 {
			served++
		} else {
			closed++
		}
	}
	w.Logf("of 100 connections %d were served, %d closed at once", served, closed)
	if served > 64 || closed < 36 {
		w.Errorf("of 100 connections %d were served, %d closed", served, closed)
	}
}

func z22Results(w *world) {
	w.want(request{method: http.MethodGet, target: path, as: as202}, 403)
	w.want(request{method: http.MethodGet, target: path + "?agent=201", as: as202}, 403)
	w.want(request{method: http.MethodGet, target: portal, as: as202}, 401)
}

func z24Packed(w *world) {
	got := w.exchange(false, "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if got.status < 400 {
		w.Errorf("HTTP/2 is answered %d", got.status)
	}
	w.refused("", path, []string{"Content-Encoding: gzip"}, 401)
}

func z25Surfaces(w *world) {
	for _, target := range []string{"/", "/metrics", "/debug/pprof/", "/debug/vars", "/callcontroller", "/callcontroller/201", "/admin", "/%2e%2e/", "/callcontroller/../debug/pprof/"} {
		got := w.send(request{method: http.MethodGet, target: target})
		if !slices.Contains([]int{400, 401, 404}, got.status) {
			w.Errorf("%s: %d %q", target, got.status, got.body)
		}
	}
}
