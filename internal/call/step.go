package call

// Step moves c by e. The effects are appended to out, which may be nil, and come
// back with it. Step is total: an event without meaning in the call's state
// changes nothing, except that a request of a phone is always answered.
func Step(c Call, e Event, out []Effect) (Call, []Effect) {
	m := machine{Call: c, out: out}
	m.refer(e)
	return m.Call, m.out
}

// machine is a call in the middle of a step.
type machine struct {
	Call
	out []Effect
}

func (m *machine) do(e Effect) { m.out = append(m.out, e) }

// row keeps one status row. When the limit is reached the last row is replaced:
// the first ones tell how it began, the last how it stands.
func (m *machine) row(r Row) {
	if n := m.Order.MaxRows; n > 0 && len(m.Rows) >= n {
		// Copies of the call share the rows that they show: change a copy.
		rows := make([]Row, n)
		copy(rows, m.Rows[:n-1])
		rows[n-1] = r
		m.Rows = rows
		return
	}
	m.Rows = append(m.Rows, r)
}

func (m *machine) inviteRow(r Response) {
	m.row(Row{At: r.At, SIPCallID: r.SIPCallID, Method: ByInvite, Line: r.Line})
}

func (m *machine) notifyRow(r Response) {
	m.row(Row{At: r.At, SIPCallID: r.SIPCallID, Method: ByNotify, Line: r.Line})
}
