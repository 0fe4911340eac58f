package legacy

import (
	"strings"

	"callcontroller/internal/call"
	"callcontroller/internal/engine"
)

// appendDialogs writes the document of a call in INVITE mode: the legs that live, the
// calling party first (CONTRACT section 7). The local party is the agent on both.
func appendDialogs(b []byte, r *engine.Running) []byte {
	c := r.Snapshot()
	b = append(b, dialogsBegin...)
	for _, d := range c.Dialogs() {
		id, ok := r.Dialog(d.Leg)
		b = append(b, "\t<dialog>\n\t\t<dialog-id>"...)
		b = appendText(b, dialogID(id, ok))
		b = append(b, "</dialog-id>\n\t\t<local-party>"...)
		b = appendText(b, c.Order.Agent.URI)
		b = append(b, "</local-party>\n\t\t<remote-party>"...)
		b = appendText(b, d.Party.URI)
		b = append(b, "</remote-party>\n\t\t<dialog-state>"...)
		b = append(b, dialogState(d, ok)...)
		b = append(b, "</dialog-state>\n\t</dialog>\n"...)
	}
	return append(b, dialogsEnd...)
}

// absent is what stands for a value that there is not yet.
const absent = "null"

// dialogID is in lower case, as the original's library made it (CONTRACT 7.2).
func dialogID(id call.DialogID, ok bool) string {
	if !ok {
		return absent
	}
	return strings.ToLower(id.SIPCallID + ":" + id.LocalTag + ":" + id.RemoteTag)
}

func dialogState(d call.Dialog, ok bool) string {
	switch {
	case !ok:
		return absent
	case d.State == call.Confirmed:
		return "Confirmed Dialog"
	default:
		return "Early Dialog"
	}
}
