package sdp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// witness sees what leaves to one leg's phone and says what is against the law.
type witness struct {
	leg     *Leg
	kinds   []string // the media types the phone knows, in its order
	version uint64
	rest    string // what was sent last, without the o= line
}

func witnesses(n int) []*witness {
	all := make([]*witness, n)
	for i := range all {
		all[i] = &witness{leg: &Leg{Host: "192.0.2.10", Port: 40000, ID: uint64(i)}}
	}
	return all
}

// sent checks the laws of every description: it can be read, its lines end with CRLF,
// its o= line is the leg's, and the version rises by one exactly with a change.
func (w *witness) sent(body []byte) ([]medium, error) {
	text := string(body)
	if strings.Count(text, "\r\n") != strings.Count(text, "\n") || !strings.HasSuffix(text, "\r\n") {
		return nil, errors.New("a line does not end with CRLF")
	}
	if _, err := ParseOffer(body); err != nil {
		return nil, err
	}
	first, rest, _ := strings.Cut(text, "\r\n")
	origin, rest, _ := strings.Cut(rest, "\r\n")
	rest = first + rest
	f := strings.Split(origin, " ")
	if len(f) != 6 || f[0] != "o=callcontroller" || f[1] != strconv.FormatUint(w.leg.ID, 10) || strings.Join(f[3:], " ") != "IN IP4 192.0.2.10" {
		return nil, fmt.Errorf("the line %q", origin)
	}
	want := w.version
	if want == 0 || rest != w.rest {
		want++
	}
	if f[2] != strconv.FormatUint(want, 10) {
		return nil, fmt.Errorf("version %s, want %d", f[2], want)
	}
	w.version, w.rest = want, rest
	return media(body), nil
}

// media reads the sections of what left or came, without a limit of length.
func media(body []byte) []medium {
	read, err := ParseOffer(body)
	if err != nil {
		return nil
	}
	_, texts := cut(string(body))
	var all []medium
	for i, m := range read {
		all = append(all, medium{m, texts[i]})
	}
	return all
}

// said notes what the phone itself tells its places to be.
func (w *witness) said(offer []medium) {
	for i, m := range offer {
		if i == len(w.kinds) {
			w.kinds = append(w.kinds, "")
		}
		w.kinds[i] = m.Type
	}
}

// told checks an offer to the phone: no fewer places, of the same types. Only when
// there can be no more is one without a stream used for another type.
func (w *witness) told(offer []medium) error {
	if len(offer) < len(w.kinds) || len(offer) > maxMedia {
		return fmt.Errorf("%d streams, were %d", len(offer), len(w.kinds))
	}
	for i, kind := range w.kinds {
		if offer[i].Type != kind && len(offer) < maxMedia {
			return fmt.Errorf("stream %d is %s, was %s", i, offer[i].Type, kind)
		}
	}
	w.said(offer)
	return nil
}
