package conformance

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callcontroller/internal/call"
	"callcontroller/internal/sip"
)

// The field that answers a challenge of each status, and the field of the challenge.
var authFields = map[int]struct{ challenge, answer string }{
	401: {"WWW-Authenticate", "Authorization"},
	407: {"Proxy-Authenticate", "Proxy-Authorization"},
}

// challenge makes the extra of a 401 or 407 that asks for MD5 with qop auth.
func challenge(status int, realm, nonce string, more ...string) extra {
	value := fmt.Sprintf(`%s: Digest realm="%s", nonce="%s", algorithm=MD5, qop="auth"`, authFields[status].challenge, realm, nonce)
	return extra{contact: "-", fields: []string{strings.Join(append([]string{value}, more...), ", ")}}
}

// credentials reads what a request answers to a challenge of that status; nil when
// it has no such field.
func credentials(t *testing.T, m received, status int) map[string]string {
	t.Helper()
	text := m.GetOther(authFields[status].answer)
	if text == "" {
		return nil
	}
	scheme, list, _ := strings.Cut(text, " ")
	if !strings.EqualFold(scheme, "Digest") {
		t.Fatalf("scheme %q", scheme)
	}
	c := map[string]string{}
	for part := range sip.SplitList(list) {
		name, value, ok := strings.Cut(part, "=")
		if _, twice := c[name]; !ok || twice {
			t.Fatalf("parameter %q of %q", part, text)
		}
		c[name] = sip.Unquote(value)
	}
	return c
}

func hashMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func hashSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// wantCredentials checks an answer as the server of user 203 with password secret
// does, computing it anew (RFC 7616 section 3.4).
func wantCredentials(t *testing.T, m received, status int, hash func(string) string, nonce, count string) {
	t.Helper()
	c := credentials(t, m, status)
	ha1, ha2 := hash("203:example.com:secret"), hash(m.Method+":"+m.RequestURI)
	want := map[string]string{
		"username": "203", "realm": "example.com", "nonce": nonce, "uri": m.RequestURI, "qop": "auth", "nc": count,
		"response": hash(strings.Join([]string{ha1, nonce, count, c["cnonce"], "auth", ha2}, ":")),
	}
	for name, v := range want {
		if c[name] != v {
			t.Errorf("%s: %s is %q, want %q", m.Method, name, c[name], v)
		}
	}
	if bits, err := hex.DecodeString(c["cnonce"]); err != nil || len(bits) < 8 {
		t.Errorf("cnonce %q", c["cnonce"])
	}
}

// wantRetry checks that a request is the one before with the next CSeq number.
func wantRetry(t *testing.T, again, before received) {
	t.Helper()
	was, _ := before.CSeq()
	wantGet(t, again, sip.CSeq, fmt.Sprint(was.Seq+1, " ", before.Method))
	wantFields(t, again, before, sip.From, sip.To, sip.CallID, sip.Route, sip.Contact, sip.ReferTo, sip.Reason)
	if via(t, again).Branch() == via(t, before).Branch() || again.RequestURI != before.RequestURI || string(again.Body) != string(before.Body) {
		t.Errorf("not the same request with a new branch:\n%s\n%s", before.Raw(), again.Raw())
	}
}

// nonces makes nonces that are all different.
var nonceCount atomic.Uint64

func newNonce() string { return fmt.Sprint("nonce-", nonceCount.Add(1)) }

func TestU12Challenge(t *testing.T) {
	for status := range authFields {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				first := p.expect(sip.INVITE)
				nonce := newNonce()
				if credentials(t, first, 401) != nil || credentials(t, first, 407) != nil {
					t.Error("credentials before anybody asked")
				}
				ack := p.reject(first, status, challenge(status, "example.com", nonce))
				wantFields(t, ack, first, sip.Via)
				second := p.expect(sip.INVITE)
				wantRetry(t, second, first)
				wantCredentials(t, second, status, hashMD5, nonce, "00000001")
				p.reply(second, 200, extra{body: sdpBody})
				wantGet(t, p.expect(sip.ACK), sip.CSeq, "2 ACK")
				refer := p.expect(sip.REFER)
				wantGet(t, refer, sip.CSeq, "3 REFER")
				wantCredentials(t, refer, status, hashMD5, nonce, "00000002")
				p.reply(refer, 202, extra{})
				p.finish(second, 1)
				l.wantEnd(r, call.Completed)
				l.wantRows(r, fmt.Sprintf("INVITE SIP/2.0 %d %s", status, sip.ReasonPhrase(status)), rowAnswered, "NOTIFY SIP/2.0 200 OK")
			})
		})
	}
}

// TestU12NonceCache: the next call to that proxy carries credentials at once, with
// the next count and a cnonce of its own.
func TestU12NonceCache(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		nonce := newNonce()
		l.place()
		p.reject(p.expect(sip.INVITE), 407, challenge(407, "example.com", nonce))
		first := p.expect(sip.INVITE)
		p.reject(first, 486, extra{})
		l.place()
		second := p.expect(sip.INVITE)
		wantGet(t, second, sip.CSeq, "1 INVITE")
		wantCredentials(t, second, 407, hashMD5, nonce, "00000002")
		if credentials(t, second, 407)["cnonce"] == credentials(t, first, 407)["cnonce"] {
			t.Error("the same cnonce twice")
		}
		p.reject(second, 486, extra{})
	})
}

// TestU13WrongPassword: a fresh nonce each time, never called stale.
func TestU13WrongPassword(t *testing.T) {
	for status := range authFields {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				r := l.place()
				p.reject(p.expect(sip.INVITE), status, challenge(status, "example.com", newNonce()))
				p.reject(p.expect(sip.INVITE), status, challenge(status, "example.com", newNonce()))
				p.quiet(time.Minute)
				row := fmt.Sprintf("INVITE SIP/2.0 %d %s", status, sip.ReasonPhrase(status))
				l.wantEnd(r, call.Declined)
				l.wantRows(r, row, row)
				if !l.log.has("credentials were rejected") {
					t.Error("the log does not tell why")
				}
			})
		})
	}
}

// TestU13WrongPasswordOfRefer: the same inside the dialog; the leg is hung up.
func TestU13WrongPasswordOfRefer(t *testing.T) {
	audited(t, func(l *lab, p *phone) {
		r := l.place()
		_, refer := p.answer()
		for range 2 {
			p.reply(refer, 407, challenge(407, "example.com", newNonce()))
			refer = p.next()
		}
		if refer.Method != sip.BYE {
			t.Fatalf("third %s", refer.Raw())
		}
		wantReason(t, refer, 407, "Proxy Authentication Required")
		p.reply(refer, 200, extra{})
		l.wantEnd(r, call.Failed)
	})
}

// TestU14StaleNonce: a nonce that is called stale is worth one more try, and only
// one.
func TestU14StaleNonce(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		r := l.place()
		before := p.expect(sip.INVITE)
		for _, stale := range []string{"stale=false", "stale=TRUE"} {
			nonce := newNonce()
			p.reject(before, 401, challenge(401, "example.com", nonce, stale))
			invite := p.expect(sip.INVITE)
			wantRetry(t, invite, before)
			wantCredentials(t, invite, 401, hashMD5, nonce, "00000001")
			before = invite
		}
		p.reject(before, 401, challenge(401, "example.com", newNonce(), "stale=true"))
		p.quiet(time.Minute)
		l.wantEnd(r, call.Declined)
		if n := len(rows(r)); n != 3 {
			t.Errorf("%d rows, want 3", n)
		}
	})
}

// TestU16Algorithms: the topmost that is supported is used.
func TestU16Algorithms(t *testing.T) {
	offer := func(algorithm string) string {
		return fmt.Sprintf(`Proxy-Authenticate: Digest realm="example.com", nonce="n-%s", qop="auth,auth-int", algorithm=%s`, algorithm, algorithm)
	}
	for name, c := range map[string]struct {
		algorithms []string
		hash       func(string) string
		digits     int
	}{
		"SHA-256": {[]string{"SHA3-NEW", "SHA-256", "MD5"}, hashSHA256, 64},
		"MD5":     {[]string{"SHA3-NEW", "MD5", "SHA-256"}, hashMD5, 32},
	} {
		t.Run(name, func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				l.place()
				e := extra{contact: "-", fields: []string{`Proxy-Authenticate: Basic realm="example.com"`}}
				for _, a := range c.algorithms {
					e.fields = append(e.fields, offer(a))
				}
				p.reject(p.expect(sip.INVITE), 407, e)
				invite := p.expect(sip.INVITE)
				wantCredentials(t, invite, 407, c.hash, "n-"+name, "00000001")
				got := credentials(t, invite, 407)
				if got["algorithm"] != name || len(got["response"]) != c.digits {
					t.Errorf("algorithm %q, %d digits", got["algorithm"], len(got["response"]))
				}
				p.reject(invite, 486, extra{})
			})
		})
	}
}

// guard fails the test when the server sends credentials to any other host than
// the one at proxy.
func (l *lab) guard(proxy netip.AddrPort) {
	l.net.Tap(func(_ time.Time, from, to netip.AddrPort, data []byte) {
		if from == l.server && to != proxy && strings.Contains(string(data), "uthorization:") {
			l.Errorf("credentials went to %s:\n%s", to, data)
		}
	})
}

// TestU17ForeignRealm: the called phone, behind the proxy, asks for credentials of
// a realm that is not ours.
func TestU17ForeignRealm(t *testing.T) {
	for status := range authFields {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				l.guard(netip.AddrPort{})
				r := l.place()
				p.reject(p.expect(sip.INVITE), status, challenge(status, "evil.example", newNonce()))
				p.quiet(time.Minute)
				l.wantEnd(r, call.Declined)
				l.wantRows(r, fmt.Sprintf("INVITE SIP/2.0 %d %s", status, sip.ReasonPhrase(status)))
				if !l.log.has("realm is not the one of these credentials") {
					t.Error("the log does not tell why")
				}
			})
		})
	}
}

// TestU17ForeignHost: our realm, but asked for by the phone itself, to which the
// requests of the dialog go. The INVITE carried credentials to the proxy; the ACK,
// the REFER and the BYE go to the phone without any.
func TestU17ForeignHost(t *testing.T) {
	for status := range authFields {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			withPhone(t, options{}, func(l *lab, p *phone) {
				l.guard(phoneAddr)
				evil := l.phoneAt(otherAddr)
				defer evil.close()
				r := l.place()
				p.reject(p.expect(sip.INVITE), 407, challenge(407, "example.com", newNonce()))
				invite := p.expect(sip.INVITE)
				p.reply(invite, 200, extra{contact: "<sip:201@" + otherAddr.String() + ">", body: sdpBody})
				evil.expect(sip.ACK)
				evil.reply(evil.expect(sip.REFER), status, challenge(status, "example.com", newNonce()))
				bye := evil.expect(sip.BYE)
				wantReason(t, bye, status, sip.ReasonPhrase(status))
				evil.reply(bye, status, challenge(status, "example.com", newNonce()))
				evil.quiet(time.Minute)
				p.quiet(0)
				l.wantEnd(r, call.Failed)
				if !l.log.has("the credentials are not for the host that asks") {
					t.Error("the log does not tell why")
				}
			})
		})
	}
}

// TestU17NoProxy: a call straight to a host that is not of our domain.
func TestU17NoProxy(t *testing.T) {
	withPhone(t, options{noProxy: true}, func(l *lab, p *phone) {
		l.guard(netip.AddrPort{})
		r := l.place(func(o *call.Order) { o.Caller.URI = "sip:201@" + phoneAddr.String() })
		p.reject(p.expect(sip.INVITE), 401, challenge(401, "example.com", newNonce()))
		p.quiet(time.Minute)
		l.wantEnd(r, call.Declined)
	})
}

// TestU17Fork: the second phone of a fork is ended without credentials too.
func TestU17Fork(t *testing.T) {
	withPhone(t, options{}, func(l *lab, p *phone) {
		l.guard(phoneAddr)
		other := l.phoneAt(otherAddr)
		defer other.close()
		l.place()
		p.reject(p.expect(sip.INVITE), 407, challenge(407, "example.com", newNonce()))
		invite := p.expect(sip.INVITE)
		p.reply(invite, 200, extra{body: sdpBody})
		p.expect(sip.ACK)
		p.reply(p.expect(sip.REFER), 603, extra{})
		p.bye()
		p.reply(invite, 200, extra{tag: "other", contact: "<sip:201@" + otherAddr.String() + ">", body: sdpBody})
		other.expect(sip.ACK)
		other.reply(other.expect(sip.BYE), 401, challenge(401, "example.com", newNonce()))
		other.quiet(time.Minute)
	})
}

// TestU18InDialogChallenge: REFER and BYE are challenged, each with a nonce of its
// own.
func TestU18InDialogChallenge(t *testing.T) {
	for status := range authFields {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			audited(t, func(l *lab, p *phone) {
				r := l.place()
				invite, refer := p.answer()
				nonce := newNonce()
				p.reply(refer, status, challenge(status, "example.com", nonce))
				again := p.expect(sip.REFER)
				wantRetry(t, again, refer)
				wantCredentials(t, again, status, hashMD5, nonce, "00000001")
				p.reply(again, 202, extra{})
				p.send(p.notify(invite, 1, "active;expires=60", "SIP/2.0 100 Trying", "Event: refer;id=3"))
				p.expect("200")
				p.send(p.notify(invite, 2, "terminated;reason=noresource", "SIP/2.0 486 Busy Here", "Event: refer;id=3"))
				p.expect("200")
				bye := p.expect(sip.BYE)
				wantGet(t, bye, sip.CSeq, "4 BYE")
				wantCredentials(t, bye, status, hashMD5, nonce, "00000002")
				nonce = newNonce()
				p.reply(bye, status, challenge(status, "example.com", nonce, "stale=true"))
				last := p.expect(sip.BYE)
				wantRetry(t, last, bye)
				wantCredentials(t, last, status, hashMD5, nonce, "00000001")
				p.reply(last, 200, extra{})
				p.quiet(time.Minute)
				l.wantEnd(r, call.Busy)
				l.wantRows(r, rowRinging, rowAnswered, "NOTIFY SIP/2.0 100 Trying", "NOTIFY SIP/2.0 486 Busy Here")
			})
		})
	}
}
