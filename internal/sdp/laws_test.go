package sdp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// exchange passes an offer of the phone of from to that of to, and checks it.
func exchange(from, to *witness, offer []byte) ([]medium, error) {
	from.said(media(offer))
	body, err := to.leg.PassOffer(from.leg, offer)
	if err != nil {
		return nil, err
	}
	sent, err := to.sent(body)
	if err != nil {
		return nil, err
	}
	if err := to.told(sent); err != nil {
		return nil, err
	}
	var came, left []string
	for _, m := range media(offer) {
		if live(m) {
			came = append(came, m.text)
		}
	}
	for _, m := range sent {
		if live(m) {
			left = append(left, m.text)
		}
	}
	slices.Sort(came)
	slices.Sort(left)
	if !slices.Equal(came, left) {
		return nil, fmt.Errorf("offered %q, passed on %q", came, left)
	}
	return sent, nil
}

// reply passes the answer back, and checks it: the streams of the offer, in its order,
// and each that both sides want.
func reply(from, to *witness, offer, answer []byte, sent []medium) error {
	body, err := from.leg.PassAnswer(to.leg, offer, answer)
	if err != nil {
		return err
	}
	got, err := from.sent(body)
	if err != nil {
		return err
	}
	asked, answered := media(offer), media(answer)
	if len(got) != len(asked) {
		return fmt.Errorf("%d streams offered, %d answered", len(asked), len(got))
	}
	var want, left []string
	for j, m := range answered {
		if j < len(sent) && live(sent[j]) && live(m) && m.Type == sent[j].Type {
			want = append(want, m.text)
		}
	}
	for i, m := range got {
		if m.Type != asked[i].Type {
			return fmt.Errorf("stream %d is %s, was %s", i, m.Type, asked[i].Type)
		}
		if live(m) && !live(asked[i]) {
			return fmt.Errorf("stream %d was refused by who offered it", i)
		}
		if live(m) {
			left = append(left, m.text)
		}
	}
	slices.Sort(want)
	slices.Sort(left)
	if !slices.Equal(want, left) {
		return fmt.Errorf("taken %q, passed back %q", want, left)
	}
	return nil
}

func isGood(body []byte) bool {
	_, err := Check(body)
	return err == nil
}

// FuzzPass: B offers, A answers, and A offers something else, which B answers as it
// offered itself.
func FuzzPass(f *testing.F) {
	f.Add(describe(video, audio), describe(pcmu, video), describe(second, noVid))
	f.Add(describe("m=audio 0 RTP/AVP 8\n", "m=text 9 TCP/MSRP *"), describe(noAV), describe(audio, video, second))
	f.Add([]byte("v=1\no=\nm=a 1 b c\nm=a 2 b c\r\r\n\nx"), []byte("v=\no=\nm=a 0 b c\nm=a 2 b c"), []byte("v=0\no=\nm=x 1 b c"))
	f.Fuzz(func(t *testing.T, offer, answer, another []byte) {
		if !isGood(offer) || !isGood(answer) {
			return
		}
		w := witnesses(2)
		a, b := w[0], w[1]
		first, err := a.sent(a.leg.Offer())
		if err != nil {
			t.Fatal(err)
		}
		a.said(first)
		both := func(from, to *witness, offer, answer []byte) {
			t.Helper()
			sent, err := exchange(from, to, offer)
			if err != nil {
				t.Fatalf("%v\noffer %q", err, offer)
			}
			if err := reply(from, to, offer, answer, sent); err != nil {
				t.Fatalf("%v\noffer %q\nanswer %q", err, offer, answer)
			}
		}
		both(b, a, offer, answer)
		both(b, a, offer, answer)
		if isGood(another) {
			both(a, b, another, offer)
			both(b, a, offer, another)
		}
		if _, err := a.sent(a.leg.Offer()); err != nil {
			t.Fatal(err)
		}
	})
}

// phone draws what a phone may offer, or answer to offered: its places in their
// order, each of them on or off, and in an offer some more.
func phone(t *rapid.T, known []string, more int) []byte {
	kinds := slices.Clone(known)
	for range rapid.IntRange(0, more).Draw(t, "more") {
		kinds = append(kinds, rapid.SampledFrom([]string{"audio", "video", "text"}).Draw(t, "kind"))
	}
	if len(kinds) == 0 {
		kinds = []string{"audio"}
	}
	if len(kinds) > maxMedia {
		kinds = kinds[:maxMedia]
	}
	var b strings.Builder
	for i, kind := range kinds {
		if more > 0 && rapid.IntRange(0, 9).Draw(t, "again") == 0 {
			kind = "audio" // RFC 3264 section 8.1: the place is used again.
		}
		port := rapid.SampledFrom([]int{0, 4000, 4000 + 2*i}).Draw(t, "port")
		fmt.Fprintf(&b, "m=%s %d RTP/AVP 0\r\na=label:%d\r\n", kind, port, i)
	}
	return describe(b.String())
}

// TestLawsOfPassing: twenty offers from both sides, each answered, sometimes by our
// own side, while A comes to talk with one phone after another.
func TestLawsOfPassing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := witnesses(4)
		a, other := w[0], w[1]
		for i := range 20 {
			if rapid.IntRange(0, 7).Draw(t, "transfer") == 0 {
				other = w[rapid.IntRange(1, 3).Draw(t, "to")]
			}
			from, to := a, other
			if i%2 == 0 {
				from, to = other, a
			}
			offer := phone(t, from.kinds, 3)
			how := rapid.IntRange(0, 9).Draw(t, "how")
			if how < 3 {
				ours := []func([]byte) ([]byte, error){from.leg.Answer, from.leg.Refuse, func([]byte) ([]byte, error) { return to.leg.Offer(), nil }}
				byUs(t, how, from, to, offer, ours[how])
				continue
			}
			sent, err := exchange(from, to, offer)
			if err != nil {
				t.Fatalf("%v\noffer %q", err, offer)
			}
			answer := phone(t, to.kinds, 0)
			if err := reply(from, to, offer, answer, sent); err != nil {
				t.Fatalf("%v\noffer %q\nanswer %q", err, offer, answer)
			}
		}
	})
}

// byUs is an exchange of one phone with our own side.
func byUs(t *rapid.T, how int, from, to *witness, offer []byte, ours func([]byte) ([]byte, error)) {
	body, err := ours(offer)
	if err != nil {
		t.Fatal(err)
	}
	hears := from
	if how == 2 {
		hears = to
	}
	sent, err := hears.sent(body)
	if err != nil {
		t.Fatal(err)
	}
	if how == 2 {
		if err := to.told(sent); err != nil {
			t.Fatal(err)
		}
		return
	}
	from.said(media(offer))
	if len(sent) != len(media(offer)) {
		t.Fatalf("%d streams answered, asked %d", len(sent), len(media(offer)))
	}
}
