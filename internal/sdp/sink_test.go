package sdp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sink() *Leg { return &Leg{Host: "192.0.2.10", Port: 40000, ID: 7} }

// describe makes a session description of a phone around m= sections.
func describe(sections ...string) []byte {
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"
	return []byte(head + strings.Join(sections, ""))
}

// sections is what stands behind the t= line of an answer.
func sections(t *testing.T, answer []byte) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(answer), "t=0 0\r\n")
	if !ok {
		t.Fatalf("no t= line in\n%s", answer)
	}
	return rest
}

func TestOffer(t *testing.T) {
	want := "v=0\r\no=callcontroller 7 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n" +
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
	if d := cmp.Diff(want, string(sink().Offer())); d != "" {
		t.Error(d)
	}
	v6 := Leg{Host: "2001:db8::1", Port: 4, ID: 1}
	if got := string(v6.Offer()); !strings.Contains(got, "\r\nc=IN IP6 2001:db8::1\r\n") || !strings.Contains(got, " 1 1 IN IP6 2001:db8::1\r\n") {
		t.Errorf("offer at an IPv6 address:\n%s", got)
	}
}

const pcmu = "m=audio 4000 RTP/AVP 0\r\n"

// TestAnswerDirection: RFC 3264 sections 6.1 and 8.4, on the level of the session
// and of the stream.
func TestAnswerDirection(t *testing.T) {
	const zero = "c=IN IP4 0.0.0.0\r\n"
	for _, c := range []struct{ offer, want string }{
		{pcmu, "sendrecv"},
		{pcmu + "a=sendrecv\r\n", "sendrecv"},
		{pcmu + "a=sendonly\r\n", "recvonly"},
		{pcmu + "a=recvonly\r\n", "sendonly"},
		{pcmu + "a=inactive\r\n", "inactive"},
		{pcmu + zero, "recvonly"},
		{pcmu + zero + "a=sendrecv\r\n", "recvonly"},
		{pcmu + zero + "a=sendonly\r\n", "recvonly"},
		{pcmu + zero + "a=recvonly\r\n", "inactive"},
		{pcmu + zero + "a=inactive\r\n", "inactive"},
		{"a=sendonly\r\n" + pcmu, "recvonly"},
		{"a=sendonly\r\n" + pcmu + "a=sendrecv\r\n", "sendrecv"},
		{zero + pcmu, "recvonly"},
		{zero + pcmu + "c=IN IP4 192.0.2.20\r\n", "sendrecv"},
	} {
		answer, err := sink().Answer(describe(c.offer))
		if err != nil {
			t.Errorf("%q: %v", c.offer, err)
			continue
		}
		if got, want := sections(t, answer), "m=audio 40000 RTP/AVP 0\r\na="+c.want+"\r\n"; got != want {
			t.Errorf("%q was answered with %q, want %q", c.offer, got, want)
		}
	}
}

func TestAnswerStreams(t *testing.T) {
	const opus = "a=rtpmap:96 opus/48000/2\r\n"
	for name, c := range map[string]struct{ offer, want string }{
		"dynamic with its rtpmap, static without": {
			"m=audio 4000 RTP/AVP 96 0 101\r\n" + opus + "a=rtpmap:101 telephone-event/8000\r\n",
			"m=audio 40000 RTP/AVP 96 0 101\r\n" + opus + "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
		},
		"dynamic without rtpmap": {
			"m=audio 4000 RTP/AVP 98 96 77 0\r\n" + opus, "m=audio 40000 RTP/AVP 96 0\r\n" + opus + "a=sendrecv\r\n",
		},
		"nothing that can be named": {"m=audio 4000 RTP/AVP 98\r\n", "m=audio 0 RTP/AVP 0\r\n"},
		"video first": {
			"m=video 4002 RTP/AVP 97 99\r\na=rtpmap:97 VP8/90000\r\n" + pcmu,
			"m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\nm=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n",
		},
		"two audio streams": {
			pcmu + "m=audio 4004 RTP/AVP 8\r\n", "m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\nm=audio 0 RTP/AVP 8\r\n",
		},
		"the first audio stream is refused already": {
			"m=audio 0 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 8\r\n", "m=audio 0 RTP/AVP 0\r\nm=audio 40000 RTP/AVP 8\r\na=sendrecv\r\n",
		},
		"RTP/SAVP needs keys":  {"m=audio 4000 RTP/SAVP 0\r\n", "m=audio 0 RTP/SAVP 0\r\n"},
		"feedback is optional": {"m=audio 4000 RTP/AVPF 0\r\n", "m=audio 40000 RTP/AVPF 0\r\na=sendrecv\r\n"},
		"formats that are none": {
			"m=audio 4000 RTP/AVP x 128 +8 -1 8\r\n", "m=audio 40000 RTP/AVP 8\r\na=sendrecv\r\n",
		},
		"a stream without RTP": {
			"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" + pcmu,
			"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nm=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n",
		},
		"several ports":          {"m=audio 4000/2 RTP/AVP 0\r\n", "m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n"},
		"bare LF":                {"m=audio 4000 RTP/AVP 96\n" + "a=rtpmap:96 opus/48000/2\na=sendonly\n", "m=audio 40000 RTP/AVP 96\r\n" + opus + "a=recvonly\r\n"},
		"no line end at the end": {"m=audio 4000 RTP/AVP 0", "m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n"},
		"an rtpmap with a bare CR": {
			"m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 opus\ra=inactive\r\n", "m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n",
		},
		"lines that mean nothing here": {
			"a=group:BUNDLE 1\r\nx\r\n=\r\n" + pcmu + "i=a title\r\nb=AS:64\r\na=crypto:1 x inline:y\r\na=rtpmap:96\r\n",
			"m=audio 40000 RTP/AVP 0\r\na=sendrecv\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := sink().Answer(describe(c.offer))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, sections(t, answer)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAnswerRefusesToRead(t *testing.T) {
	for offer, want := range map[string]error{
		"":                                    ErrNoMedia,
		"v=0\r\n":                             ErrNoMedia,
		"M=audio 1 RTP/AVP 0\r\n":             ErrNoMedia,
		"m=audio 4000 RTP/AVP\r\n":            ErrMediaLine,
		"m=audio x RTP/AVP 0\r\n":             ErrMediaLine,
		"m=audio 65536 RTP/AVP 0\r\n":         ErrMediaLine,
		"m=audio 4000 RTP/AVP 0\x00\r\n":      ErrMediaLine,
		strings.Repeat(pcmu, maxMedia+1):      ErrTooMany,
		strings.Repeat(pcmu, 200) + "a=x\r\n": ErrTooMany,
	} {
		s := sink()
		if _, err := s.Answer([]byte(offer)); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", offer, err, want)
		}
		if s.version != 0 {
			t.Errorf("%.40q: a refused offer changed the version", offer)
		}
	}
	if _, err := sink().Answer([]byte(strings.Repeat(pcmu, maxMedia))); err != nil {
		t.Errorf("%d streams: %v", maxMedia, err)
	}
}

// TestF07VersionOfOurSide: the o= line of one leg differs only in its version, and
// that rises by one exactly when the description differs from the one before.
func TestF07VersionOfOurSide(t *testing.T) {
	s := sink()
	version := func(body []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(body)) {
			rest, ok := strings.CutPrefix(line, "o=callcontroller 7 ")
			if v, tail, _ := strings.Cut(rest, " "); ok && tail == "IN IP4 192.0.2.10\r\n" {
				return v
			}
		}
		t.Fatalf("o= line of another session:\n%s", body)
		return ""
	}
	var got []string
	got = append(got, version(s.Offer(), nil), version(s.Offer(), nil))
	for _, direction := range []string{"sendonly", "sendonly", "inactive", "sendrecv", "sendrecv"} {
		got = append(got, version(s.Answer(describe(pcmu+"a="+direction+"\r\n"))))
	}
	got = append(got, version(s.Offer(), nil))
	if d := cmp.Diff("1 1 2 2 3 4 4 5", strings.Join(got, " ")); d != "" {
		t.Error(d)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(string(describe(pcmu, "a=sendonly\r\n")))
	f.Add(string(describe("m=video 4002 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n", "m=audio 4000/2 RTP/AVP 96 0 98\n", "a=rtpmap:96 opus/48000/2\n")))
	f.Add("c=IN IP4 0.0.0.0\nm=audio 1 RTP/SAVP 96 x\nm=a 0 b c\r\nm=audio 00001 RTP/AVPF 0 0 \x85 8")
	f.Fuzz(func(t *testing.T, offer string) {
		s := sink()
		answer, err := s.Answer([]byte(offer))
		if err != nil {
			return
		}
		if err := lawsOfAnswer(offer, string(answer)); err != nil {
			t.Fatalf("%v\noffer  %q\nanswer %q", err, offer, answer)
		}
		again, err := s.Answer([]byte(offer))
		if err != nil || string(again) != string(answer) {
			t.Fatalf("the same offer is answered with %q, %v", again, err)
		}
	})
}

func lawsOfAnswer(offer, answer string) error {
	if strings.Count(answer, "\r\n") != strings.Count(answer, "\n") || strings.Count(answer, "\r") != strings.Count(answer, "\n") ||
		!strings.HasSuffix(answer, "\r\n") {
		return errors.New("a line does not end with CRLF")
	}
	asked, err := ParseOffer([]byte(offer))
	if err != nil {
		return err
	}
	if len(answer) > 2*len(offer)+500 {
		return fmt.Errorf("%d bytes are answered with %d", len(offer), len(answer))
	}
	given, err := ParseOffer([]byte(answer))
	if err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	if len(asked) != len(given) {
		return fmt.Errorf("%d streams offered, %d answered", len(asked), len(given))
	}
	live := 0
	for i := range given {
		if given[i].Type != asked[i].Type || given[i].Protocol != asked[i].Protocol {
			return fmt.Errorf("stream %d is another one", i)
		}
		if given[i].Port != 0 {
			live++
			if asked[i].Port == 0 || asked[i].Type != "audio" || !plainRTP(asked[i].Protocol) {
				return fmt.Errorf("stream %d was taken", i)
			}
		}
		for _, format := range given[i].Formats {
			if n, ok := payloadType(format); ok && n > lastStatic && given[i].Rtpmaps[format] == "" {
				return fmt.Errorf("format %s has no rtpmap", format)
			}
		}
	}
	if live > 1 {
		return fmt.Errorf("%d streams were taken", live)
	}
	return nil
}
