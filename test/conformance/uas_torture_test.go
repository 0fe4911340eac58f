package conformance

import (
	"bufio"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callcontroller/internal/sip"
)

// torture is one message of RFC 4475 or RFC 5118, and what a UA does with it.
type torture struct {
	name   string
	answer []string // statuses, one of which must come; "any" final one; "none" or "drop" for no answer
	stream string   // where a stream differs: "two" messages, "wait" for more and close, "close" at once
	data   []byte
}

const tortureDir = "../../internal/sip/testdata"

// tortures reads a set.
func tortures(t *testing.T, set string) []torture {
	t.Helper()
	f, err := os.Open(filepath.Join(tortureDir, set, "expect.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []torture
	for s := bufio.NewScanner(f); s.Scan(); {
		c := strings.Split(s.Text(), "\t")
		if len(c) < 5 {
			continue
		}
		m := torture{name: set + "/" + c[0], answer: strings.Split(c[3], ","), stream: "same"}
		if len(c) > 5 {
			m.stream = c[4]
		}
		if m.data, err = os.ReadFile(filepath.Join(tortureDir, set, c[0]+".dat")); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// wants tells whether the answers are what the RFC asks for.
func (m torture) wants(got []received) bool {
	if m.answer[0] == "none" || m.answer[0] == "drop" {
		return len(got) == 0
	}
	for _, want := range m.answer {
		if len(got) == 1 && got[0].IsResponse() && (want == name(got[0]) || want == "any" && got[0].Status >= 300) {
			return true
		}
	}
	// The archive's file ends before the empty line: nothing can be made of it.
	return strings.HasSuffix(m.name, "/baddn") && len(got) == 0
}

func eachTorture(t *testing.T, test func(l *lab, p *phone, m torture)) {
	t.Helper()
	for _, set := range []string{"rfc4475", "rfc5118"} {
		for _, m := range tortures(t, set) {
			t.Run(m.name, func(t *testing.T) {
				withPhone(t, options{tcp: true}, func(l *lab, p *phone) {
					test(l, p, m)
					// The server lives and has kept nothing.
					l.wantNoState()
					p.send(p.outside(sip.OPTIONS, extra{}))
					p.expect("200")
				})
			})
		}
	}
}

func texts(all []received) string {
	var b strings.Builder
	for _, m := range all {
		b.WriteString(m.Raw() + "\n")
	}
	return b.String()
}

func TestZ16TortureUDP(t *testing.T) {
	eachTorture(t, func(_ *lab, p *phone, m torture) {
		p.send(string(m.data))
		if got := p.drainFor(time.Minute); !m.wants(got) {
			p.Errorf("%d answers, want %s:\n%s", len(got), m.answer, texts(got))
		}
	})
}

func TestZ16TortureTCP(t *testing.T) {
	eachTorture(t, func(l *lab, _ *phone, m torture) {
		c := l.dial(netip.MustParseAddr("192.0.2.66"))
		defer c.Close()
		// The server may close the connection before the write has returned.
		if _, err := c.Write(m.data); err != nil && m.stream != "two" && m.stream != "close" {
			l.Fatal(err)
		}
		got, closed := c.readFor(time.Minute)
		switch m.stream {
		case "two":
			// The second has a Content-Length 5 too small: what follows ends the stream.
			if len(got) != 2 {
				l.Errorf("%d answers to two messages:\n%s", len(got), texts(got))
			}
		case "wait":
			if len(got) != 0 || closed < time.Second {
				l.Errorf("%d answers to a part of a message, closed after %v:\n%s", len(got), closed, texts(got))
			}
		case "close":
			if len(got) > 0 && !m.wants(got) || closed != 0 {
				l.Errorf("%d answers, want %s, closed after %v, want at once:\n%s", len(got), m.answer, closed, texts(got))
			}
		default:
			if !m.wants(got) || closed >= 0 {
				l.Errorf("%d answers, want %s; closed after %v\n%s", len(got), m.answer, closed, texts(got))
			}
		}
	})
}

// TestZ16ForeignResponse: responses that match by their branch but were not made
// for us are discarded (RFC 3261 sections 8.1.3.3 and 18.1.2).
func TestZ16ForeignResponse(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		invite := p.expect(sip.INVITE)
		p.reply(invite, 180, extra{})
		ok := p.response(invite, 200, extra{body: sdpBody})
		ours := "SIP/2.0/UDP " + serverAddr.String()
		for what, to := range map[string]string{
			"a second Via":      "SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx, " + ours,
			"a Via before ours": "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKx, " + ours,
			"another host":      "SIP/2.0/UDP 192.0.2.99:5060",
			"another port":      "SIP/2.0/UDP " + serverAddr.Addr().String() + ":5061",
		} {
			text := l.replaced(ok, ours, to)
			if what == "a second Via" {
				text = l.replaced(ok, "\r\nFrom", "\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx\r\nFrom")
			}
			p.send(text)
			if got := p.drain(); len(got) > 0 {
				t.Errorf("200 with %s got\n%s", what, texts(got))
			}
		}
		l.wantRunning(r)
		p.send(l.replaced(p.response(invite, 183, extra{}), serverAddr.String(), serverAddr.Addr().String())) // 5060 goes without saying.
		p.reject(invite, 486, extra{})
		l.wantRows(r, rowRinging, "INVITE SIP/2.0 183 Session Progress", "INVITE SIP/2.0 486 Busy Here")
	})
}
