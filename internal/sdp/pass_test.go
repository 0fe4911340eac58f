package sdp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	audio  = "m=audio 4000 RTP/AVP 8 0\r\na=sendrecv\r\n"
	video  = "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n"
	second = "m=audio 4004 RTP/AVP 0\r\na=label:2\r\n"
	noAV   = "m=audio 0 RTP/AVP 0\r\n"
	noVid  = "m=video 0 RTP/AVP 0\r\n"
)

// pair is a calling leg, whose phone knows the one stream of the sink, and a called
// one.
func pair() (a, b *Leg) {
	a, b = &Leg{Host: "192.0.2.10", Port: 40000, ID: 7}, &Leg{Host: "192.0.2.10", Port: 40000, ID: 8}
	a.Offer()
	return a, b
}

// pass gives the sections of a description that must have come about.
func pass(t *testing.T) func(body []byte, err error) string {
	t.Helper()
	return func(body []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return sections(t, body)
	}
}

// TestF07OriginOfPassedOn: user, session, and address are of the leg, whoever's
// description it is; the version has one count with that of our own side.
func TestF07OriginOfPassedOn(t *testing.T) {
	a, b := pair()
	var got []string
	note := func(body []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(body), "\r\n")
		origin, _, _ := strings.Cut(rest, "\r\n")
		got = append(got, origin)
	}
	note(a.PassOffer(b, describe(audio)))
	note(a.PassOffer(b, []byte(strings.Replace(string(describe(audio)), "o=- 1 1", "o=x 5 9", 1))))
	note(b.PassAnswer(a, describe(audio), describe(pcmu)))
	note(a.Offer(), nil)
	note(a.Refuse(describe(audio)))
	note(b.PassOffer(a, describe(pcmu)))
	note(b.PassOffer(a, []byte(strings.Replace(string(describe(pcmu)), "v=0", "v=1", 1))))
	want := []string{
		"o=callcontroller 7 2 IN IP4 192.0.2.10",
		"o=callcontroller 7 2 IN IP4 192.0.2.10", // Only the o= line of the phone was another.
		"o=callcontroller 8 1 IN IP4 192.0.2.10",
		"o=callcontroller 7 3 IN IP4 192.0.2.10",
		"o=callcontroller 7 4 IN IP4 192.0.2.10",
		"o=callcontroller 8 1 IN IP4 192.0.2.10",
		"o=callcontroller 8 2 IN IP4 192.0.2.10",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestF08: what A is told after offers of B, one after the other.
func TestF08StreamsTowardsA(t *testing.T) {
	type step struct{ offer, want string }
	for name, steps := range map[string][]step{
		"a stream more":            {{audio + video, audio + video}},
		"video first":              {{video + audio, audio + video}},
		"video only":               {{video, noAV + video}},
		"two of a type":            {{audio + second, audio + second}},
		"a stream added later":     {{audio, audio}, {audio + video, audio + video}},
		"a stream ended":           {{video + audio, audio + video}, {noVid + audio, audio + noVid}, {video + audio, audio + video}},
		"the first audio ended":    {{audio + second, audio + second}, {noAV + second, noAV + second}},
		"refused and never known":  {{noVid + audio, audio}},
		"none offered":             {{noVid, noAV}},
		"fewer, against the rules": {{audio + video, audio + video}, {audio, audio + noVid}},
		"a place used again":       {{audio + video, audio + video}, {audio + second, audio + noVid + second}},
		"another order later":      {{audio + video, audio + video}, {video + audio, audio + video}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair()
			for _, s := range steps {
				if d := cmp.Diff(s.want, pass(t)(a.PassOffer(b, describe(s.offer)))); d != "" {
					t.Errorf("offer %q: %s", s.offer, d)
				}
			}
		})
	}
}

// TestF08BackTowardsB: B, which offered video first, gets A's answer and A's offers
// in its own order.
func TestF08BackTowardsB(t *testing.T) {
	a, b := pair()
	pass(t)(a.PassOffer(b, describe(video, audio)))
	if d := cmp.Diff(video+pcmu, pass(t)(b.PassAnswer(a, describe(video, audio), describe(pcmu, video)))); d != "" {
		t.Error("answer:", d)
	}
	if d := cmp.Diff(noVid+second, pass(t)(b.PassOffer(a, describe(second, noVid)))); d != "" {
		t.Error("offer:", d)
	}
}

// TestF08Sink: our own side tells A no fewer streams than A knows.
func TestF08Sink(t *testing.T) {
	a, b := pair()
	first := sections(t, a.Offer())
	pass(t)(a.PassOffer(b, describe(audio, video)))
	if d := cmp.Diff(first+noVid, sections(t, a.Offer())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(noVid+first, pass(t)(offerAfter(sink(), describe(video)))); d != "" {
		t.Error("no audio before:", d)
	}
}

// offerAfter is our own offer to a phone whose own was refused.
func offerAfter(l *Leg, offer []byte) ([]byte, error) {
	if _, err := l.Refuse(offer); err != nil {
		return nil, err
	}
	return l.Offer(), nil
}

// TestF08Transfer: A keeps its places when it comes to talk with C.
func TestF08Transfer(t *testing.T) {
	a, b := pair()
	c := &Leg{Host: "192.0.2.10", ID: 9}
	pass(t)(a.PassOffer(b, describe(video, audio)))
	if d := cmp.Diff(second+video, pass(t)(a.PassOffer(c, describe(second, video)))); d != "" {
		t.Error(d)
	}
	// To D, which nobody has told anything, A offers in A's order.
	if d := cmp.Diff(audio+video, pass(t)((&Leg{Host: "192.0.2.10"}).PassOffer(a, describe(audio, video)))); d != "" {
		t.Error(d)
	}
}

// TestF08NoMoreThanAPhoneCanBeTold: offers whose types change all the time do not make
// a session grow without end; an old place is used again (RFC 3264 section 8.1).
func TestF08NoMoreThanAPhoneCanBeTold(t *testing.T) {
	a, b := pair()
	for _, kind := range []string{"v", "w", "x", "y"} {
		offer := describe(strings.Repeat("m="+kind+" 9 RTP/AVP 0\r\n", maxMedia))
		body, err := a.PassOffer(b, offer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(body); err != nil || strings.Count(string(body), "\r\nm="+kind+" 9 ") != maxMedia {
			t.Errorf("%v:\n%s", err, body)
		}
	}
}

// TestF09: B gets as many streams in the answer as it offered.
func TestF09StreamsTowardsB(t *testing.T) {
	const third = "m=text 4006 RTP/AVP 98 99\r\na=rtpmap:98 t140/1000\r\n"
	const noText, noVideo = "m=text 0 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n", "m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n"
	for name, c := range map[string]struct{ offer, answer, want string }{
		"one of three":          {audio + video + third, pcmu + noVid + "m=text 0 RTP/AVP 98\r\n", pcmu + noVid + "m=text 0 RTP/AVP 98\r\n"},
		"fewer than asked":      {audio + video + third, pcmu, pcmu + noVideo + noText},
		"more than asked":       {audio, pcmu + video, pcmu},
		"of another type":       {audio + video, pcmu + third, pcmu + noVideo},
		"refused by B itself":   {"m=video 0 RTP/AVP 97\r\n" + audio, pcmu, noVid + pcmu},
		"taken though refused":  {"m=audio 0 RTP/AVP 8\r\n", pcmu, "m=audio 0 RTP/AVP 8\r\n"},
		"all refused (row F10)": {audio, noAV, noAV},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair()
			pass(t)(a.PassOffer(b, describe(c.offer)))
			if d := cmp.Diff(c.want, pass(t)(b.PassAnswer(a, describe(c.offer), describe(c.answer)))); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestF09Stranger: what C said before it knew of B's offer is put in B's order too.
func TestF09Stranger(t *testing.T) {
	a, b := pair()
	c := &Leg{Host: "192.0.2.10", ID: 9}
	pass(t)(a.PassOffer(b, describe(video, audio)))
	pass(t)(a.PassOffer(c, describe(second, video)))
	if d := cmp.Diff(video+second, pass(t)(b.PassAnswer(c, describe(video, audio), describe(second, video)))); d != "" {
		t.Error(d)
	}
}

// TestF09Connection: when no c= line is in A's session part, a section of ours has
// its own (RFC 8866 section 5.7).
func TestF09Connection(t *testing.T) {
	const head, c = "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nt=0 0\r\n", "c=IN IP4 192.0.2.20\r\n"
	a, b := pair()
	if d := cmp.Diff(noAV+"c=IN IP4 192.0.2.10\r\n"+video+c, pass(t)(a.PassOffer(b, []byte(head+video+c)))); d != "" {
		t.Error(d)
	}
	a, b = pair()
	pass(t)(a.PassOffer(b, describe(audio, "m=video 4 RTP/AVP 31\r\n")))
	got := pass(t)(b.PassAnswer(a, describe(audio, "m=video 4 RTP/AVP 31\r\n"), []byte(head+pcmu+c)))
	if d := cmp.Diff(pcmu+c+"m=video 0 RTP/AVP 31\r\nc=IN IP4 192.0.2.10\r\n", got); d != "" {
		t.Error(d)
	}
}

// TestF10Refuse: an answer that refuses everything, for rows F10 and F11.
func TestF10Refuse(t *testing.T) {
	_, b := pair()
	body, err := b.Refuse(describe(audio, video, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"))
	want := "m=audio 0 RTP/AVP 8 0\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"
	if d := cmp.Diff(want, pass(t)(body, err)); d != "" {
		t.Error(d)
	}
	if dead, err := Check(body); !dead || err != nil {
		t.Errorf("dead is %v (%v) of\n%s", dead, err, body)
	}
}

// TestF27PassedOn: what leaves ends every line with CRLF, whatever came, and keeps
// lines that nobody knows.
func TestF27PassedOn(t *testing.T) {
	const odd = "a=\xff\xfe  x \r\nz\r\n=\r\nX-y=1\r\nm2=a\r\n"
	want := string(describe("a=group:BUNDLE 1 2\r\n", odd, pcmu, odd))
	for name, offer := range map[string]string{
		"as it is":           want,
		"LF only":            strings.ReplaceAll(want, "\r\n", "\n"),
		"no CRLF at the end": strings.TrimSuffix(want, "\r\n"),
		"CR at the end":      strings.TrimSuffix(want, "\n"),
		"empty lines":        "\r\n" + strings.ReplaceAll(want, "\r\n", "\r\n\r\n"),
	} {
		a, b := pair()
		body, err := a.PassOffer(b, []byte(offer))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := strings.Replace(string(body), "o=callcontroller 7 2 IN IP4 192.0.2.10", "o=- 1 1 IN IP4 192.0.2.20", 1)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestF29Unchanged: keys, fingerprints and candidates are passed on as they are.
func TestF29Unchanged(t *testing.T) {
	offer := string(describe("a=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\na=fingerprint:sha-256 4A:AD:B9\r\n",
		"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32\r\n"+
			"a=candidate:1 1 UDP 2130706431 192.0.2.20 4000 typ host\r\na=setup:actpass\r\na=rtcp-mux\r\n"))
	a, b := pair()
	to, err := a.PassOffer(b, []byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	back, err := b.PassAnswer(a, []byte(offer), []byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	for got, own := range map[string]string{string(to): "o=callcontroller 7 2 IN IP4 192.0.2.10", string(back): "o=callcontroller 8 1 IN IP4 192.0.2.10"} {
		if d := cmp.Diff(strings.Replace(offer, "o=- 1 1 IN IP4 192.0.2.20", own, 1), got); d != "" {
			t.Error(d)
		}
	}
}
