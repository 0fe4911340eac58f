package call

import "strings"

// MaxRowText is the longest text of a row, in bytes. A sipfrag has a few hundred.
const MaxRowText = 4096

// usualRows is how many rows a call has when the called party rings, and half of
// what it has in the end.
const usualRows = 3

// Step moves c by e. The effects are appended to out, which may be nil, and come
// back with it. Step is total: an event without meaning in the call's state
// changes nothing, except that a request of a phone is always answered.
func Step(c Call, e Event, out []Effect) (Call, []Effect) {
	m := machine{Call: &c, out: &out}
	if c.bridge == nil && c.Order.Mode == ByRefer {
		m.refer(e)
		return c, out
	}
	m.invite(e)
	return c, out
}

// machine is a call in the middle of a step, on the stack of Step.
type machine struct {
	*Call
	out *[]Effect
}

func (m *machine) do(e Effect) { *m.out = append(*m.out, e) }

// row keeps one status row. When the limit is reached the last row is replaced:
// the first ones tell how it began, the last how it stands.
func (m *machine) row(r Row) {
	r.Line = clip(r.Line, MaxRowText)
	if n := m.Order.MaxRows; n > 0 && len(m.Rows) >= n {
		// Copies of the call share the rows that they show: change a copy.
		rows := make([]Row, n)
		copy(rows, m.Rows[:n-1])
		rows[n-1] = r
		m.Rows = rows
		return
	}
	if m.Rows == nil {
		m.Rows = make([]Row, 0, usualRows)
	}
	m.Rows = append(m.Rows, r)
}

func (m *machine) inviteRow(r Response) {
	m.row(Row{At: StampOf(r.At), SIPCallID: r.SIPCallID, Method: ByInvite, Line: r.Line})
}

func (m *machine) notifyRow(r Response) {
	m.row(Row{At: StampOf(r.At), SIPCallID: r.SIPCallID, Method: ByNotify, Line: r.Line})
}

// clip cuts s to at most n bytes, at the end of a character. What it cuts off is
// not kept alive.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const continuation = 0x80 // The upper two bits of the later bytes in UTF-8.
	for n > 0 && s[n]&0xC0 == continuation {
		n--
	}
	return strings.Clone(s[:n])
}
