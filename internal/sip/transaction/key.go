package transaction

import (
	"strconv"
	"strings"

	"callcontroller/internal/sip"
)

// clientKey matches a response to its request (RFC 3261 section 17.1.3). Our
// branches are unique, and a CANCEL shares that of its INVITE.
type clientKey struct{ branch, method string }

// serverKey matches a request to its transaction (RFC 3261 section 17.2.3).
type serverKey struct{ branch, sentBy, method string }

// keyOf gives the key of a request. A branch without the magic cookie comes from
// an RFC 2543 sender: then Request-URI, From tag, Call-ID, CSeq and the top Via
// stand for it.
func keyOf(m *sip.Message) (key serverKey, port int, err error) {
	via, err := m.Via()
	if err != nil {
		return serverKey{}, 0, err
	}
	key = serverKey{branch: via.Branch(), sentBy: via.Host, method: m.Method}
	if via.Port != 0 {
		key.sentBy += ":" + strconv.Itoa(via.Port)
	}
	if len(key.branch) <= len(sip.MagicCookie) || !strings.HasPrefix(key.branch, sip.MagicCookie) {
		cseq, err := m.CSeq()
		if err != nil {
			return serverKey{}, 0, err
		}
		key.branch = strings.Join([]string{
			m.RequestURI, m.FromTag(), m.Get(sip.CallID), strconv.Itoa(int(cseq.Seq)), via.String(),
		}, "\x00")
	}
	return key, viaPort(via), nil
}

// clone frees the key from the message of which its strings are parts.
func (k serverKey) clone() serverKey {
	all := k.branch + k.sentBy + k.method
	method := len(k.branch) + len(k.sentBy)
	return serverKey{all[:len(k.branch)], all[len(k.branch):method], all[method:]}
}

// viaPort is the port to which an answer goes when the flow of the request is gone
// (RFC 3261 section 18.2.2).
func viaPort(v sip.ViaValue) int {
	switch {
	case v.Port != 0:
		return v.Port
	case strings.EqualFold(v.Transport, "TLS"):
		return 5061
	default:
		return 5060
	}
}
