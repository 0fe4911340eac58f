package ladder

import (
	"strings"
	"time"

	"callcontroller/api"
	"callcontroller/internal/sip"
)

// Messages gives the messages of a call that are kept, in the order in which they went,
// with their secrets masked.
func (l *Ladder) Messages(call string) []api.Message {
	list := []api.Message{}
	for _, k := range l.of(call) {
		m, err := sip.Parse(k.text)
		if err != nil {
			continue // Nothing of ours, and what is not SIP is not received.
		}
		line, text := shown(m)
		list = append(list, api.Message{
			Time: time.Unix(0, k.at).UTC(), Direction: k.kind.String(), Leg: k.leg.name,
			Peer: strings.ToLower(k.peer.Protocol) + " " + k.peer.Addr.String(), StartLine: line, Text: text,
		})
	}
	return list
}

// copied is a row with its text, outside of the ring.
type copied struct {
	row
	text []byte
}

func (l *Ladder) of(call string) (list []copied) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring.all(func(w *row, text []byte) {
		if w.leg.call == call {
			list = append(list, copied{*w, append([]byte(nil), text...)})
		}
	})
	return list
}

func (k kind) String() string {
	if k == sent {
		return "sent"
	}
	return "received"
}
