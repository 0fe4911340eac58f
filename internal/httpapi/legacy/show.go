package legacy

import (
	"net/http"
	"strconv"
	"strings"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
)

// The fixed parts of the documents (CONTRACT sections 4, 6 and 7).
const (
	xmlns     = ` xmlns="http://www.sipfoundry.org/sipX/schema/xml/call-status-00-00">` + "\n"
	xmlProlog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

	rowsBegin = xmlProlog + "<status-lines" + xmlns
	rowsEnd   = "</status-lines>\n"

	dialogsBegin = xmlProlog + "<dialogs" + xmlns
	dialogsEnd   = "</dialogs>\n"

	statusBegin = "<status>\n\t<timestamp>"
	callIDBegin = "</timestamp>\n\t<call-id>"
	methodBegin = "</call-id>\n\t<method>"
	lineBegin   = "</method>\n\t<status-line>"
	statusEnd   = "</status-line>\n</status>\n"
)

// show tells how a call stands. A call that is unknown has an empty list: old
// clients stop asking when they see one (CONTRACT 5.1, 5.2).
func (h *Handler) show(w http.ResponseWriter, r *http.Request, p auth.Principal, who parties) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	running, ok, err := h.Control.Status(r.Context(), p, q.request(who))
	switch {
	case err != nil:
		return err
	case ok && running.Order().Mode == call.ByStay:
		writeXML(w, http.StatusOK, appendDialogs(nil, running))
	case ok:
		c := running.Snapshot()
		writeXML(w, http.StatusOK, appendRows(make([]byte, 0, sizeOfRows(c.Rows)), c.Rows))
	case strings.EqualFold(q.or("sipMethod", control.MethodRefer), control.MethodRefer):
		writeXML(w, http.StatusOK, appendRows(nil, nil))
	default:
		writeXML(w, http.StatusOK, []byte(dialogsBegin+dialogsEnd))
	}
	return nil
}

// appendRows writes the document of a call in REFER mode (CONTRACT section 6).
func appendRows(b []byte, rows []call.Row) []byte {
	b = append(b, rowsBegin...)
	for _, r := range rows {
		b = append(b, statusBegin...)
		b = strconv.AppendInt(b, int64(r.At), 10)
		b = append(b, callIDBegin...)
		b = appendText(b, r.SIPCallID)
		b = append(b, methodBegin...)
		b = appendText(b, r.Method.String())
		b = append(b, lineBegin...)
		b = appendText(b, r.Line)
		b = append(b, statusEnd...)
	}
	return append(b, rowsEnd...)
}

// sizeOfRows is what the document needs when nothing in it has to be escaped.
func sizeOfRows(rows []call.Row) int {
	const timestamp = 13 // digits, until the year 2286
	n := len(rowsBegin) + len(rowsEnd)
	for _, r := range rows {
		n += len(statusBegin) + timestamp + len(callIDBegin) + len(r.SIPCallID) + len(methodBegin) + len(r.Method.String()) +
			len(lineBegin) + len(r.Line) + len(statusEnd)
	}
	return n
}
