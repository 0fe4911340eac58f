package main

import (
	"net/http"

	"callcontroller/internal/sandbox"
)

// flow is one call and the words that stand before its drawing.
type flow struct {
	title  string
	look   string // what to look at
	phones []string
	edit   func(*sandbox.PhoneOptions) // nil: the phones are those of the demonstration
	play   func(*world)
}

func (f flow) columns() []string { return append([]string{client, server}, f.phones...) }

// flows are in the order of the page. Each step waits for the last message of the one
// before it, so that there is one order only.
var flows = []flow{
	{
		title: "REFER mode",
		look: `The way of the old server (RFC 3515, RFC 5589 section 6): it calls the calling party, tells that phone by REFER whom to call, and is out
of the call when the phone has reported the final outcome. Its BYE comes after the final NOTIFY, never before: phones that are left
earlier report a false failure, or hang up the new call.`,
		phones: []string{"201", "202"},
		play: func(w *world) {
			w.place("201/202")
			w.await(byeAnswered, "201")
			w.talk("201")
		},
	},
	{
		title: "REFER refused: on in INVITE mode",
		look: `The same request, but the phone of the calling party knows no REFER. The server keeps the leg that has been answered and calls the called
party itself (RFC 3725 section 4.4, from the INVITE without SDP on). It remembers such a phone.`,
		phones: []string{"201", "202"},
		edit: func(p *sandbox.PhoneOptions) {
			if p.User == "201" {
				p.RefuseRefer = 405
			}
		},
		play: func(w *world) {
			w.place("201/202")
			w.joined()
		},
	},
	{
		title: "INVITE mode: set-up and end",
		look: `RFC 3725 section 4.4. The called party gets an INVITE without SDP; its offer goes to the calling party by re-INVITE, the answer back in
the ACK. No 200 waits for its ACK longer than that one re-INVITE takes, however long a phone rings. Who hangs up ends both legs.`,
		phones: []string{"201", "202"},
		play: func(w *world) {
			w.place("201/202?sipMethod=INVITE")
			w.joined()
			w.hangUp("202")
			w.await(byeAnswered, "201")
		},
	},
	{
		title: "INVITE mode: the called party is busy",
		look: `The calling party, who has picked up already, is hung up at once; the Reason of the BYE tells the phone why (RFC 3326), and the state of
the call tells the client.`,
		phones: []string{"201", "203"},
		play: func(w *world) {
			w.place("201/203?sipMethod=INVITE")
			w.await(byeAnswered, "201")
		},
	},
	{
		title: "INVITE mode: the calling party gives up",
		look: `While the called phone rings there is no dialog to end with BYE: its INVITE is cancelled, and 487 is the answer to that INVITE.
See that the BYE is answered before anything else is done.`,
		phones: []string{"201", "204"},
		play: func(w *world) {
			w.place("201/204?sipMethod=INVITE")
			w.await("180 Ringing", "204")
			w.hangUp("201")
			w.await("487 Request Terminated", "204")
		},
	},
	{
		title: "Transfer",
		look: `201 hands the call on to 207. The parties go on talking while the target rings; only when target and remaining party are joined, in the
same way as in a set-up (RFC 3725 section 4.4), is the other one hung up. No phone has to know REFER or Replaces for it.`,
		phones: []string{"201", "202", "207"},
		play: func(w *world) {
			w.place("201/202?sipMethod=INVITE")
			w.joined()
			w.transfer("207", http.StatusOK)
			w.await(byeAnswered, "201")
			w.talk("207")
			w.hangUp("207")
			w.await(byeAnswered, "202")
		},
	},
	{
		title: "Transfer to a busy target",
		look: `A target that does not answer changes nothing: neither 201 nor 202 gets any message, and they talk as before. The answer to the POST
tells the client, for a busy phone says so at once.`,
		phones: []string{"201", "202", "203"},
		play: func(w *world) {
			w.place("201/202?sipMethod=INVITE")
			w.joined()
			w.transfer("203", http.StatusNotAcceptable)
			w.await("486 Busy Here", "203")
			w.talk("201")
			w.hangUp("202")
			w.await(byeAnswered, "201")
		},
	},
}
