package attack

import (
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"callcontroller/internal/sip"
)

// ask sends a SIP message by UDP and gives all that comes back within a moment.
func (w *world) ask(conn *net.UDPConn, text string) []*sip.Message {
	w.Helper()
	if _, err := conn.WriteTo([]byte(text), mustUDP(w.sip)); err != nil {
		w.Fatal(err)
	}
	return w.answers(conn, 100*time.Millisecond)
}

func (w *world) answers(conn *net.UDPConn, within time.Duration) []*sip.Message {
	w.Helper()
	var all []*sip.Message
	buf := make([]byte, 1<<16)
	_ = conn.SetReadDeadline(time.Now().Add(within))
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return all
		}
		m, err := sip.Parse([]byte(string(buf[:n])))
		if err != nil {
			w.Errorf("the server sent what cannot be read: %v\n%s", err, buf[:n])
			continue
		}
		all = append(all, m)
	}
}

// message is a request of somebody whom the server has never seen.
func message(conn *net.UDPConn, method, toTag string, n int) string {
	return fmt.Sprintf("%[1]s sip:callcontroller@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[1]s%[4]d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:evil@example.test>;tag=evil%[4]d\r\nTo: <sip:201@example.test>%[3]s\r\nCall-ID: guess%[4]d\r\nCSeq: %[4]d %[1]s\r\n"+
		"Contact: <sip:evil@%[2]s>\r\nEvent: refer\r\nSubscription-State: terminated\r\nContent-Length: 0\r\n\r\n", method, conn.LocalAddr(), toTag, n)
}

func z15Spoofed(w *world) {
	evil := w.listen("127.0.0.1:0")
	for i, method := range []string{sip.BYE, sip.NOTIFY, sip.CANCEL, sip.INFO, sip.UPDATE, sip.INVITE, sip.REFER, sip.REGISTER, sip.MESSAGE} {
		for _, tag := range []string{"", ";tag=0123456789abcdef", ";tag=" + strings.Repeat("f", 16)} {
			for _, m := range w.ask(evil, message(evil, method, tag, i+1)) {
				w.Logf("%d  %s with To tag %q", m.Status, method, tag)
				if m.Status < 400 {
					w.Errorf("%s with To tag %q: %d", method, tag, m.Status)
				}
			}
		}
	}
	for _, status := range []int{200, 404} {
		text := fmt.Sprintf("SIP/2.0 %d X\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKguess\r\nFrom: <sip:201@example.test>;tag=guess\r\nTo: <sip:201@example.test>;tag=x\r\n"+
			"Call-ID: guess\r\nCSeq: 1 INVITE\r\nContact: <sip:evil@%s>\r\nContent-Length: 0\r\n\r\n", status, w.sip, evil.LocalAddr())
		if got := w.ask(evil, text); len(got) != 0 {
			w.Errorf("a %d that nobody asked for is answered by %s", status, got[0].Raw())
		}
	}
}

// z11Extensions asks for users and for nobody, as svwar and svcrack do: the answers are
// the same, and no password is ever asked for.
func z11Extensions(w *world) {
	evil := w.listen("127.0.0.1:0")
	for i, method := range []string{sip.REGISTER, sip.INVITE, sip.OPTIONS, sip.SUBSCRIBE, sip.MESSAGE} {
		answers := map[string]bool{}
		for j, user := range []string{"201", "203", "999", "admin", "controller"} {
			text := strings.ReplaceAll(message(evil, method, "", 100*i+j), "sip:201@", "sip:"+user+"@")
			for _, m := range w.ask(evil, text) {
				answers[fmt.Sprint(m.Status, " ", m.Reason)] = true
				if m.Has(sip.WWWAuthenticate) || m.Has(sip.ProxyAuthenticate) {
					w.Errorf("%s for %s asks for a password", method, user)
				}
			}
		}
		w.Log(method, answers)
		if len(answers) != 1 {
			w.Errorf("%s is answered in several ways: %v", method, answers)
		}
	}
}

// z16Torture sends the messages of RFC 4475 and RFC 5118, over UDP and over TCP.
func z16Torture(w *world) {
	var files []string
	for _, dir := range []string{"rfc4475", "rfc5118"} {
		found, err := filepath.Glob(filepath.Join("..", "..", "internal", "sip", "testdata", dir, "*.dat"))
		if err != nil || len(found) == 0 {
			w.Fatalf("no messages of %s: %v", dir, err)
		}
		files = append(files, found...)
	}
	evil := w.listen("127.0.0.1:0")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := evil.WriteTo(text, mustUDP(w.sip)); err != nil {
			w.Fatal(err)
		}
		conn, err := net.DialTimeout("tcp", w.sip, patience)
		if err != nil {
			w.Fatal(err)
		}
		_, _ = conn.Write(text) // the server may have hung up
		_ = conn.Close()
	}
	w.Logf("%d messages; %d answers by UDP", len(files), len(w.answers(evil, time.Second)))
}

func z19Reflection(w *world) {
	victim := w.listen("127.0.0.2:0") // not the address of the proxy, which is spared
	_ = victim.SetReadBuffer(4 << 20)
	const flood = 3000
	begin := time.Now()
	for i := range flood {
		if _, err := victim.WriteTo([]byte(message(victim, sip.OPTIONS, "", i)), mustUDP(w.sip)); err != nil {
			w.Fatal(err)
		}
	}
	took := time.Since(begin) + time.Second
	answers := len(w.answers(victim, time.Second))
	w.Logf("%d answers to %d requests in %s", answers, flood, took.Round(time.Millisecond))
	if answers > 500+int(took.Seconds()*100)+200 {
		w.Errorf("%d answers to %d requests in %s", answers, flood, took)
	}
}

// z14XML lets the called phone answer with what would break the document.
func z14XML(w *world) {
	const evil = `]]></status-line><x> & "'<!DOCTYPE x>` + "\x01"
	buf := make([]byte, 1<<16)
	_ = w.phones.SetReadDeadline(time.Now().Add(patience))
	for {
		n, from, err := w.phones.ReadFrom(buf)
		if err != nil {
			w.Fatal(err)
		}
		m, err := sip.Parse([]byte(string(buf[:n])))
		if err != nil || m.Method != sip.INVITE {
			continue
		}
		resp := sip.NewResponse(m, 486, "", "phone")
		text := strings.Replace(string(resp.Bytes()), "Busy Here", evil, 1)
		if _, err := w.phones.WriteTo([]byte(text), from); err != nil {
			w.Fatal(err)
		}
		break
	}
	w.within(func() error {
		got := w.send(request{method: http.MethodGet, target: path, as: as201})
		var doc struct {
			XMLName xml.Name
			Lines   []string `xml:"status>status-line"`
		}
		d := xml.NewDecoder(strings.NewReader(got.body))
		if err := d.Decode(&doc); err != nil {
			w.Fatalf("%v in %s", err, got.body)
		}
		if rest := got.body[d.InputOffset():]; rest != "\n" {
			w.Fatalf("behind the document stands %q", rest)
		}
		want := "SIP/2.0 486 " + strings.ReplaceAll(evil, "\x01", "\uFFFD")
		if n := len(doc.Lines); n == 0 || doc.Lines[n-1] != want {
			return fmt.Errorf("the rows are %q, want the last to be %q", doc.Lines, want)
		}
		return nil
	})
}
