package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/sandbox"
	"callcontroller/internal/secret"
	"callcontroller/internal/sip"
)

const (
	pin        = "1234"                 // of 201
	ringTime   = 300 * time.Millisecond // long enough that all is said about the ringing before the answer
	restTime   = 150 * time.Millisecond // after the last message of a flow, for one that nobody expects
	patience   = 20 * time.Second       // for a message that must come
	pollEvery  = 2 * time.Millisecond   // what no channel tells
	drainLimit = time.Second            // for the call of a flow to end when the server is stopped
)

var errNever = errors.New("it never came")

// world is the proxy, the phones and the server of one flow. After the first error
// its steps do nothing.
type world struct {
	*recorder
	ctx     context.Context //nolint:containedctx // It lives as long as the flow, whose steps are simpler without it.
	sandbox *sandbox.Sandbox
	app     *app.App
	http    *http.Client
	err     error
}

// play plays a flow in a world of its own and gives what was seen.
func play(ctx context.Context, f flow) (rows []row, err error) {
	data, err := os.MkdirTemp("", "callcontroller-flows-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	w := &world{recorder: newRecorder(), ctx: ctx}
	if w.sandbox, err = w.startSandbox(f); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.sandbox.Close()) }()
	if w.app, err = w.startServer(data); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.app.Stop(context.WithoutCancel(ctx))) }()
	w.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Our own certificate, on loopback.
	}}
	defer w.http.CloseIdleConnections()

	f.play(w)
	w.until("the end of the messages", func() bool { return w.quiet(restTime) })
	rows = w.all()
	w.end(f)
	return rows, w.err
}

func (w *world) startSandbox(f flow) (*sandbox.Sandbox, error) {
	o := sandbox.Demo()
	o.Listen, o.Trace = "127.0.0.1:0", w.message
	for i := range o.Phones {
		o.Phones[i].After, o.Phones[i].Talk = ringTime, 0
		if f.edit != nil {
			f.edit(&o.Phones[i])
		}
	}
	return sandbox.Start(w.ctx, o)
}

// startServer starts the server with the configuration of a user, but for the ports.
func (w *world) startServer(data string) (*app.App, error) {
	account, _ := w.sandbox.User(sandbox.DemoAccount)
	c := config.Default()
	c.SIP.Domain, c.SIP.Realm, c.SIP.Proxy = sandbox.DemoDomain, sandbox.DemoDomain, w.sandbox.URI()
	c.SIP.Listen = []config.Listen{{Scheme: "udp", Host: "127.0.0.1"}, {Scheme: "tcp", Host: "127.0.0.1"}}
	c.SIP.Account = config.Account{Username: account.Name, Password: account.Password}
	c.HTTP.Listen = []config.Listen{{Scheme: "https", Host: "127.0.0.1"}}
	c.Data, c.Drain.Limit = data, drainLimit
	c.Users.Inline = []directory.User{
		{Name: "201", DisplayName: "User 201", Identity: "201@" + sandbox.DemoDomain, PIN: secret.New(pin)},
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return app.Start(w.ctx, &c, app.Options{})
}

// place asks for a call of 201, and draws the answer right below: it waits for nobody.
func (w *world) place(path string) { w.post(path, path, http.StatusOK) }

// transfer asks for a transfer of that call, and draws the answer where it comes: it
// waits for what the target's phone says.
func (w *world) transfer(target string, want int) {
	w.post("201/202?action=transfer&target="+target, "", want)
}

func (w *world) post(path, request string, want int) {
	if w.err != nil {
		return
	}
	w.add(row{from: client, to: server, text: "POST /callcontroller/" + path, request: request})
	status, err := w.ask(path)
	if err == nil && status != want {
		err = fmt.Errorf("POST %s: %d", path, status)
	}
	w.err = err
	text := fmt.Sprintf("%d %s (POST)", status, http.StatusText(status))
	w.add(row{from: server, to: client, text: text, request: request})
}

// ask does what curl does on the command lines of the README.
func (w *world) ask(path string) (status int, err error) {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.app.HTTP()[0]+"/callcontroller/"+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth("201", pin)
	resp, err := w.http.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// byeAnswered is the text of the 200 to a BYE.
const byeAnswered = "200 OK (BYE)"

// await waits for a message to the server.
func (w *world) await(text, from string) {
	w.until(text+" from "+from, func() bool { return w.count(text, from, server) > 0 })
}

func (w *world) count(text, from, to string) (n int) {
	for _, r := range w.all() {
		if r.from == from && r.to == to && r.text == text {
			n++
		}
	}
	return n
}

// joined waits until the server has joined 201 and 202: the last message of that is the
// second ACK of the calling one.
func (w *world) joined() {
	w.until("the second ACK", func() bool { return w.count(sip.ACK, server, "201") == 2 })
	w.talk("201")
}

// talk waits until a phone and 202 show a call that is answered, and draws that.
func (w *world) talk(one string) {
	const other = "202"
	talking := func(user string) bool {
		calls := w.sandbox.Phone(user).Calls()
		return len(calls) == 1 && calls[0].State == sandbox.Talking
	}
	w.until(one+" and "+other+" talk", func() bool { return talking(one) && talking(other) })
	w.note(one + " and " + other + " talk")
}

func (w *world) hangUp(user string) {
	if w.err == nil {
		w.note(user + " hangs up")
		w.sandbox.Phone(user).HangUp()
	}
}

// end hangs up what a flow leaves, so that the server can be stopped at once.
func (w *world) end(f flow) {
	w.until("all phones are idle", func() bool {
		idle := true
		for _, user := range f.phones {
			p := w.sandbox.Phone(user)
			p.HangUp()
			idle = idle && len(p.Calls()) == 0
		}
		return idle
	})
}

// until waits for what no channel tells.
func (w *world) until(what string, ok func() bool) {
	if w.err != nil {
		return
	}
	ctx, stop := context.WithTimeout(w.ctx, patience)
	defer stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.err = fmt.Errorf("%s: %w", what, errors.Join(errNever, w.ctx.Err()))
			return
		}
	}
}
