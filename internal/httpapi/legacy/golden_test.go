package legacy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/icholy/digest"
	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/control/controltest"
	"callcontroller/internal/httpapi"
	"callcontroller/internal/httpapi/legacy"
	"callcontroller/internal/rfc7616"
	"callcontroller/internal/secret"
	"callcontroller/internal/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens implements auth.Tokens: there are two of 201, which are called by what they may.
type tokens struct{}

func (tokens) Find(hash token.Hash) (token.Token, bool) {
	for text, scope := range map[string]token.Scope{"reads": token.CallsRead, "writes": token.CallsWrite} {
		if token.HashOf(secret.New(text)) == hash {
			return token.Token{ID: text, Agent: "201", Scopes: scope}, true
		}
	}
	return token.Token{}, false
}

// newHandler is the whole HTTP side of a lab. Peers in 10/8 are trusted.
func newHandler(l *controltest.Lab, log *slog.Logger) http.Handler {
	c := auth.Config{Realm: controltest.Domain, Users: controltest.People(), Guard: auth.NewGuard(60)}
	chain := auth.Chain{
		auth.NewTrusted([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}), auth.NewBearer(c, tokens{}),
		auth.NewDigest(c, []rfc7616.Hash{rfc7616.SHA256, rfc7616.MD5}, false), auth.NewBasic(c),
	}
	return httpapi.NewHandler(httpapi.Config{Log: log, Legacy: &legacy.Handler{Control: l, Auth: chain}})
}

// TestR01Golden holds the contract: pairs of request and reply, byte for byte. They
// are frozen: changing one breaks clients. Each file is one story in virtual time, with
// sections that are played in order:
//
//	-- request ROWS: what it is about --
//	   an HTTP request. {user:pin} stands for Base64, \x00 and the like for bytes, and
//	   {MD5 user:pin} for the answer to the last challenge of that algorithm
//	   "Test-Peer" and "Test-Scheme" say from where and how it comes.
//	-- reply --
//	   what comes back, without Date, without Content-Length when there is a body, and
//	   with "..." for each nonce
//	-- phone --
//	   what the calling party's phone does, one act a line; "pass" lets time pass
//
// A line "first-row" above the sections stands for compat.first_row, which is
// the default of the server.
func TestR01Golden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories:", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			firstRow := bytes.Contains(archive.Comment, []byte("\nfirst-row\n"))
			synctest.Test(t, func(t *testing.T) { newStory(t, firstRow).play(archive) })
		})
	}
}

// story is a server in memory, and what its last reply was.
type story struct {
	*testing.T
	lab      *controltest.Lab
	listener *pipes
	asked    string // the name of the last request
	reply    string
	nonces   map[string]string // of the last challenge, by algorithm
}

func newStory(t *testing.T, firstRow bool) *story {
	t.Helper()
	lab := controltest.New(t, func(c *control.Config) { c.FirstRow = firstRow })
	s := &story{T: t, lab: lab, listener: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}}
	server := &http.Server{Handler: fromTestFields(newHandler(s.lab, nil))}
	done := make(chan error)
	go func() { done <- server.Serve(s.listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return s
}

func (s *story) play(archive *txtar.Archive) {
	for _, section := range archive.Files {
		kind, _, _ := strings.Cut(section.Name, " ")
		text := string(section.Data)
		switch kind {
		case "request":
			s.asked, s.reply = section.Name, s.ask(text)
		case "reply":
			if diff := cmp.Diff(text, s.reply); diff != "" {
				s.Errorf("%s: reply (-want +got):\n%s", s.asked, diff)
			}
		case "phone":
			for act := range strings.Lines(text) {
				s.act(strings.TrimSpace(act))
			}
		default:
			s.Fatalf("section %q", section.Name)
		}
	}
}

// act is one line of a phone section.
func (s *story) act(text string) {
	verb, rest, _ := strings.Cut(text, " ")
	line := s.lab.Signals.Last()
	acts := map[string]func(int, string){}
	if line != nil {
		acts = map[string]func(int, string){
			"progress": line.Progress, "answer": line.Answer, "reject": line.Reject, "fail": line.Fail, "referred": line.Referred,
		}
	}
	if act, ok := acts[verb]; ok {
		status, phrase, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(status)
		if err != nil {
			s.Fatal(err)
		}
		act(n, phrase)
		return
	}
	leg, rest2, _ := strings.Cut(rest, " ")
	switch verb {
	case "leg": // what the phone of a leg does, in INVITE mode
		s.actOn(line, legs[leg], rest2)
	case "pass":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.Fatal(err)
		}
		time.Sleep(d)
		synctest.Wait()
	case "notify":
		state, body, _ := strings.Cut(rest, " ")
		line.Notify(state, s.unquote(body))
	case "calls": // how many calls were made so far
		if got := strconv.Itoa(len(s.lab.Signals.Lines())); got != rest {
			s.Errorf("after %q there are %s calls, want %s", s.asked, got, rest)
		}
	default:
		s.Fatalf("the phone cannot %q", text)
	}
}

var legs = map[string]call.Leg{"caller": call.Caller, "callee": call.Callee, "target": call.Target}

func (s *story) actOn(line *controltest.Line, leg call.Leg, what string) {
	s.Helper()
	switch verb, rest, _ := strings.Cut(what, " "); verb {
	case "rings":
		line.ProgressOn(leg, 180, "Ringing")
	case "answers":
		line.AnswerOn(leg)
	case "refuses":
		line.RejectOn(leg, 486, "Busy Here")
	case "hangs":
		line.HangUp(leg)
	default:
		s.Fatalf("the phone of the %s cannot %q %q", leg, verb, rest)
	}
	synctest.Wait()
}

func (s *story) unquote(text string) string {
	s.Helper()
	out, err := strconv.Unquote(text)
	if err != nil {
		s.Fatalf("%s: %v", text, err)
	}
	return out
}

// ask sends a request on a connection of its own and gives the reply.
func (s *story) ask(text string) string {
	s.Helper()
	client, server := net.Pipe()
	defer client.Close()
	s.listener.conns <- server
	go func() { _, _ = client.Write(s.wire(text)) }()
	var raw bytes.Buffer
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(client, &raw)), &http.Request{Method: method})
	if err != nil {
		s.Fatalf("%s: %v", s.asked, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		s.Fatalf("%s: %v", s.asked, err)
	}
	head, body, _ := strings.Cut(raw.String(), "\r\n\r\n")
	head = s.takeNonces(date.ReplaceAllString(head, ""))
	if body != "" {
		head = contentLength.ReplaceAllString(head, "") // it was right, or the body had not been read
	}
	reply := strings.ReplaceAll(head, "\r\n", "\n") + "\n\n" + body
	return strings.TrimSuffix(reply, "\n") + "\n"
}

// takeNonces keeps the nonces of the challenges, if there are any.
func (s *story) takeNonces(head string) string {
	if found := challenge.FindAllStringSubmatch(head, -1); found != nil {
		s.nonces = map[string]string{}
		for _, m := range found {
			s.nonces[m[1]] = m[2]
		}
	}
	return nonce.ReplaceAllString(head, `nonce="..."`)
}

// answer answers the last challenge for a request.
func (s *story) answer(algorithm, userinfo, method, target string) string {
	s.Helper()
	name, pin, _ := strings.Cut(userinfo, ":")
	c := &digest.Challenge{Realm: controltest.Domain, Nonce: s.nonces[algorithm], Algorithm: algorithm, QOP: []string{"auth"}}
	made, err := digest.Digest(c, digest.Options{Method: method, URI: target, Username: name, Password: pin, Count: 1, Cnonce: "c"})
	if err != nil {
		s.Fatal(err)
	}
	return made.String()
}

var (
	challenge     = regexp.MustCompile(`Digest [^\r]*algorithm=([^, ]*), nonce="([^"]*)"`)
	nonce         = regexp.MustCompile(`nonce="[^"]*"`)
	userPIN       = regexp.MustCompile(`\{(.*?)\}`)
	date          = regexp.MustCompile(`\r\nDate: [^\r]*`)
	contentLength = regexp.MustCompile(`\r\nContent-Length: [^\r]*`)
)

// wire makes the bytes of a request section.
func (s *story) wire(text string) []byte {
	head, body, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "\n\n")
	body = s.unquote(`"` + body + `"`)
	line := strings.Fields(head)
	head = userPIN.ReplaceAllStringFunc(head, func(m string) string {
		if algorithm, userinfo, ok := strings.Cut(m[1:len(m)-1], " "); ok {
			return s.answer(algorithm, userinfo, line[0], line[1])
		}
		return base64.StdEncoding.EncodeToString([]byte(m[1 : len(m)-1]))
	})
	if !strings.Contains(head, "\nHost:") {
		head += "\nHost: pbx.test"
	}
	if body != "" {
		head += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	return []byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)
}

// fromTestFields makes requests come over TLS and from a stranger, unless they say
// otherwise: connections in memory have neither.
func fromTestFields(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "192.0.2.7:40000"
		if peer := r.Header.Get("Test-Peer"); peer != "" {
			r.RemoteAddr = peer
		}
		if r.Header.Get("Test-Scheme") != "http" {
			r.TLS = &tls.ConnectionState{}
		}
		r.Header.Del("Test-Peer")
		r.Header.Del("Test-Scheme")
		next.ServeHTTP(w, r)
	})
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }
