package conformance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/auth"
	"callcontroller/internal/call"
	"callcontroller/internal/control"
	"callcontroller/internal/directory"
	"callcontroller/internal/policy"
	"callcontroller/internal/sip"
)

// everybody is a directory in which each name is a user, who is shown by it.
type everybody struct{}

func (everybody) Lookup(name string) (directory.User, bool) {
	return directory.User{Name: name, DisplayName: name, Identity: name + "@example.com"}, true
}

// wishes are what a user says when he asks for a call.
type wishes struct {
	calling, called, agent, target, subject, confPIN string
	stay                                             bool
}

// FuzzZ05Z06Texts is rows Z05 and Z06: whatever texts a call is asked for with, it is
// refused and nothing is sent, or what is sent reads as just what was asked for: no
// field, no parameter, no URI header more.
func FuzzZ05Z06Texts(f *testing.F) {
	plain := wishes{"201", "202", "203", "204", "Büro", "4711", false}
	for _, stay := range []bool{false, true} {
		for _, bad := range []string{"", "2\r\nRoute: <sip:evil>", "2\u2028", "2\x00", "\xc0\xaf", "2;transport=tcp", "2?Replaces=x", "2>;x=<", `"x" <sip:y>`, "a@b@c", "x@example.com:5060", "#%&=+$", " 2 ", "\u00a02"} {
			for i := range 6 {
				x := plain
				*[]*string{&x.calling, &x.called, &x.agent, &x.target, &x.subject, &x.confPIN}[i] = bad
				f.Add(x.calling, x.called, x.agent, x.target, x.subject, x.confPIN, stay)
			}
		}
	}
	f.Fuzz(func(t *testing.T, calling, called, agent, target, subject, confPIN string, stay bool) {
		synctest.Test(t, func(t *testing.T) {
			a := asking{newLab(t, options{sipx: true}), nil, nil, wishes{calling, called, agent, target, subject, confPIN, stay}}
			defer a.close()
			a.phone = a.lab.phone()
			defer a.phone.close()
			a.control = control.New(control.Config{
				Engine: a.engine, Wheel: a.wheel, Directory: everybody{}, Domain: "example.com",
				Hosts: policy.NewHosts("example.com", []string{"partner.test:5080"}),
			})
			a.place()
		})
	})
}

// asking is one call and its phone, which is everybody.
type asking struct {
	*lab
	phone   *phone
	control *control.Control
	wishes
}

var anybody = auth.Principal{Trusted: true}

// place asks for the call, and follows it to the last text that is sent.
func (a *asking) place() {
	r := control.PlaceRequest{Method: control.MethodRefer, Calling: a.calling, Called: a.called, Agent: a.agent, Subject: a.subject, ConfPIN: a.confPIN, Keep: time.Minute}
	if a.stay {
		r.Method = control.MethodInvite
	}
	if _, err := a.control.Place(a.Context(), anybody, r); err != nil {
		a.refused(err)
		return
	}
	const sipx = ";sipx-noroute=Voicemail;sipx-userforward=false;sipxbridge-moh=false"
	if a.stay {
		first, second := a.phone.connect()
		a.wantInvite(first, a.calling, sipx, false)
		a.wantInvite(second, a.called, "", true)
		a.transfer()
		return
	}
	invite, refer := a.phone.accept()
	a.wantInvite(invite, a.calling, sipx, false)
	a.wantRefer(refer)
}

// transfer asks for the target.
func (a *asking) transfer() {
	over := make(chan error, 1)
	go func() {
		over <- a.control.Transfer(a.Context(), anybody, control.TransferRequest{
			StatusRequest: control.StatusRequest{Calling: a.calling, Called: a.called, Agent: a.agent}, Target: a.target,
		})
	}()
	synctest.Wait()
	select {
	case err := <-over:
		if call.KindOf(err) != call.Conflict || a.target != a.calling { // A call from who is called already.
			a.refused(err)
		}
	default:
		invite := a.phone.expect(sip.INVITE)
		a.wantInvite(invite, a.target, "", false)
		a.phone.reply(invite, 486, extra{})
		a.phone.expect(sip.ACK)
		if err := <-over; call.KindOf(err) != call.Conflict {
			a.Errorf("the target is busy: %v", err)
		}
	}
}

// wantInvite compares an INVITE with what was asked for.
func (a *asking) wantInvite(m received, party, params string, callee bool) {
	a.Helper()
	names := "Via Route Max-Forwards From To Call-ID CSeq Contact Allow Supported User-Agent"
	pin, subject := strings.TrimSpace(a.confPIN), strings.TrimSpace(a.subject)
	if pin != "" && callee {
		names += " X-ConfPin"
	}
	if subject != "" {
		names += " Subject"
	}
	if len(m.Body) > 0 {
		names += " Content-Type"
	}
	a.wantFields(m, names)
	target := uriOf(party)
	to, err := m.To()
	if err != nil || to != (sip.NameAddr{URI: target}) {
		a.Errorf("To %q of party %q: %v", m.Get(sip.To), party, err)
	}
	target.Params = sip.Params(params)
	if got, err := sip.ParseURI(m.RequestURI); err != nil || got != target {
		a.Errorf("Request-URI %q of party %q, want %q: %v", m.RequestURI, party, target, err)
	}
	if got := m.Get(sip.Subject); got != subject {
		a.Errorf("Subject %q, want %q", got, subject)
	}
	if got := m.GetOther("X-ConfPin"); callee && got != pin {
		a.Errorf("X-ConfPin %q, want %q", got, pin)
	}
}

// wantRefer compares a REFER with what was asked for.
func (a *asking) wantRefer(m received) {
	a.Helper()
	a.wantFields(m, "Via Max-Forwards From To Call-ID CSeq Contact Allow User-Agent Refer-To Referred-By")
	by, err := sip.ParseNameAddr(m.Get(sip.ReferredBy))
	if err != nil || by != (sip.NameAddr{URI: a.agentURI()}) {
		a.Errorf("Referred-By %q of agent %q: %v", m.Get(sip.ReferredBy), a.agent, err)
	}
	want := uriOf(a.called)
	to, err := sip.ParseNameAddr(m.Get(sip.ReferTo))
	pin, has := strings.CutPrefix(to.URI.Headers, "X-ConfPin=")
	to.URI.Headers = ""
	if err != nil || to != (sip.NameAddr{URI: want}) || has != (pin != "") || sip.Unescape(pin) != strings.TrimSpace(a.confPIN) || strings.ContainsAny(pin, "&=;") {
		a.Errorf("Refer-To %q of party %q and PIN %q: %v", m.Get(sip.ReferTo), a.called, a.confPIN, err)
	}
}

// wantFields compares the names of the fields, and From, which is the same in all.
func (a *asking) wantFields(m received, names string) {
	a.Helper()
	var got []string
	for _, f := range m.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != names+" Content-Length" {
		a.Errorf("%+v: the fields are %q, want %q in\n%s", a.wishes, got, names, m.Raw())
	}
	agent := a.agentURI()
	from, err := m.From()
	if want := (sip.NameAddr{Display: sip.Unescape(agent.User), URI: agent, Params: sip.Params(";tag=" + m.FromTag())}); err != nil || from != want {
		a.Errorf("From %q of agent %q: %v", m.Get(sip.From), a.agent, err)
	}
}

// agentURI is the agent's, who is the calling party when none is named.
func (a *asking) agentURI() sip.URI {
	if a.agent != "" {
		return uriOf(a.agent)
	}
	user, _, _ := strings.Cut(a.calling, "@")
	return uriOf(user)
}

// uriOf is what a party means; it has been found good.
func uriOf(party string) sip.URI {
	user, hostport, _ := strings.Cut(party, "@")
	if hostport == "" {
		hostport = "example.com"
	}
	host, port, _ := sip.ParseHostPort(hostport)
	return sip.URI{Scheme: "sip", User: sip.EscapeUser(user), Host: host, Port: port}
}

// refused wants nothing to have been sent.
func (a *asking) refused(err error) {
	a.Helper()
	if kind := call.KindOf(err); kind != call.Invalid && kind != call.Denied {
		a.Errorf("%+v: %v", a.wishes, err)
	}
	if sent := a.phone.drain(); len(sent) > 0 {
		a.Errorf("%+v was refused, but sent was\n%s", a.wishes, sent[0].Raw())
	}
}
