package main

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

const (
	// pollEvery is how often the demonstration asks for the state of its call.
	pollEvery = 250 * time.Millisecond
	// callLimit is how long it waits for the call to end.
	callLimit = 60 * time.Second
)

// story prints what happens, one line a step, from any goroutine.
type story struct {
	out   io.Writer
	world *sandbox.Sandbox // only for the goroutine that runs the demonstration

	mu    sync.Mutex
	begin time.Time // of the call; zero before it
}

func (s *story) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, text)
}

// step prints a line with the time since the call began; before it, nothing.
func (s *story) step(at time.Time, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begin.IsZero() {
		fmt.Fprintf(s.out, "%7.3f  %s\n", at.Sub(s.begin).Seconds(), line)
	}
}

// event is a phone's own words.
func (s *story) event(line string) { s.step(time.Now(), strings.Repeat(" ", 36)+"* "+line) }

// message prints a SIP message as the proxy sees it. Registrations would only hide
// the call.
func (s *story) message(t sandbox.Traced) {
	if cseq, err := t.Msg.CSeq(); err == nil && cseq.Method == sip.REGISTER {
		return
	}
	who := "callcontroller"
	if t.User != "" {
		who = "phone " + t.User
	}
	path := fmt.Sprintf("%-14s -> %-14s", who, "proxy")
	if t.Sent {
		path = fmt.Sprintf("%-14s -> %-14s", "proxy", who)
	}
	s.step(t.At, path+"   "+outline(t.Msg))
}

// outline is what matters of a message, on one line.
func outline(m *sip.Message) string {
	text := m.Method + " " + m.RequestURI
	if m.IsResponse() {
		text = fmt.Sprintf("%s %d %s", sip.Version, m.Status, m.Reason)
		if cseq, err := m.CSeq(); err == nil {
			text += "  (" + cseq.Method + ")"
		}
	}
	switch m.Method {
	case sip.REFER:
		text += "  Refer-To: " + m.Get(sip.ReferTo)
	case sip.NOTIFY:
		first, _, _ := strings.Cut(string(m.Body), "\r\n")
		text += "  [" + strings.TrimSpace(first) + "]"
	}
	return text
}

// curl does what that program does on the command lines that are printed.
type curl struct {
	*story
	http *http.Client
	base string // URL of the interface
}

func newCurl(s *story, https string) *curl {
	return &curl{story: s, base: https + "/callcontroller/", http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // It is curl's -k: our own certificate, on loopback.
	}}}
}

// placeCall does what the first two curl lines of the README do, and prints what comes.
func (c *curl) placeCall(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, callLimit)
	defer stop()
	if err := c.post(ctx, "201/202"); err != nil {
		return err
	}
	return c.show(ctx, "201/202", final)
}

// transferCall places a call in which the server stays, and gives it to a third phone.
func (c *curl) transferCall(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, callLimit)
	defer stop()
	c.print("\nNow a call that the server stays in, and its transfer to 207.\n\n")
	if err := c.post(ctx, "201/202?sipMethod=INVITE"); err != nil {
		return err
	}
	if err := c.show(ctx, "201/202", joined("201", "202")); err != nil {
		return err
	}
	c.print("\n")
	if err := c.post(ctx, "201/202?action=transfer&target=207"); err != nil {
		return err
	}
	return c.show(ctx, "207/202?agent=201", joined("207", "202"))
}

// post prints a POST as curl does it, and does it.
func (c *curl) post(ctx context.Context, path string) error {
	c.print("$ curl -k -X POST -u 201:" + demoPIN + ` "` + c.base + path + "\"\n")
	c.mu.Lock()
	c.begin = time.Now()
	c.mu.Unlock()
	_, err := request(ctx, c.http, http.MethodPost, c.base+path)
	return err
}

// show asks until the document is what is awaited, and prints it.
func (c *curl) show(ctx context.Context, path string, awaited func(document string) bool) error {
	document, err := follow(ctx, c.http, c.base+path, awaited)
	if err != nil {
		return err
	}
	c.print("\n$ curl -k -u 201:" + demoPIN + ` "` + c.base + path + "\"\n" + document)
	return nil
}

// follow asks until the document is what is awaited.
func follow(ctx context.Context, client *http.Client, url string, awaited func(string) bool) (string, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		document, err := request(ctx, client, http.MethodGet, url)
		if err != nil {
			return "", err
		}
		if awaited(document) {
			return document, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("the call has not come so far: %w\n%s", ctx.Err(), document)
		}
	}
}

// final tells whether the last row of a status document is a final report.
func final(document string) bool {
	var d struct {
		Rows []struct {
			Method string `xml:"method"`
			Line   string `xml:"status-line"`
		} `xml:"status"`
	}
	if err := xml.Unmarshal([]byte(document), &d); err != nil || len(d.Rows) == 0 {
		return false
	}
	last := d.Rows[len(d.Rows)-1]
	provisional := strings.HasPrefix(last.Line, sip.Version+" 1")
	return last.Method == sip.NOTIFY && !provisional
}

// joined gives what tells whether a document of dialogs has these two parties, both
// answered.
func joined(calling, called string) func(string) bool {
	return func(document string) bool {
		var d struct {
			Dialogs []struct {
				Remote string `xml:"remote-party"`
				State  string `xml:"dialog-state"`
			} `xml:"dialog"`
		}
		if err := xml.Unmarshal([]byte(document), &d); err != nil || len(d.Dialogs) != 2 {
			return false
		}
		for i, user := range []string{calling, called} {
			leg := d.Dialogs[i]
			if !strings.HasPrefix(leg.Remote, "sip:"+user+"@") || leg.State != "Confirmed Dialog" {
				return false
			}
		}
		return true
	}
}

func request(ctx context.Context, client *http.Client, method, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth("201", demoPIN)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, body)
	}
	return string(body), nil
}
