package attack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"callcontroller/test/interop/lab"
)

// needTshark skips the test where nothing can be captured.
func needTshark(t *testing.T) {
	t.Helper()
	if os.Getenv("INTEROP") == "off" {
		t.Skip("INTEROP=off: the attacks on the real program are not wanted here")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Fatal("tshark is not installed; run scripts/install-peers, or set INTEROP=off to skip this test")
	}
	if out, err := exec.Command("dumpcap", "-D").CombinedOutput(); err != nil || !strings.Contains(string(out), "lo") {
		t.Skipf("this user may not capture packets on lo (%v): run it as root, or as a member of the group wireshark\n%s", err, out)
	}
}

// capture is a tshark that writes all packets of the machine's interfaces that concern
// the server's SIP side or a host that attacks name.
type capture struct {
	*world
	process *lab.Process
	file    string
}

// strangers are hosts that attacks name; no packet may go there.
var strangers = []string{"192.0.2.66", "198.51.100.66", "203.0.113.66", "169.254.169.254"}

// startCapture returns when packets are being written.
func (w *world) startCapture() {
	w.Helper()
	c := &capture{world: w, file: filepath.Join(w.dir, "capture.pcapng")}
	filter := fmt.Sprintf("udp port %d or tcp port %d or udp port 53 or host %s", w.ports, w.ports, strings.Join(strangers, " or host "))
	var err error
	c.process, err = w.procs.Start(lab.Spec{
		Log: filepath.Join(w.dir, "tshark.log"), Dir: w.dir, OrphanSignal: syscall.SIGTERM,
		Args: []string{"tshark", "-n", "-i", "any", "-f", filter, "-w", c.file},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.capture = c
	w.within(func() error { // What is sent is seen once something of it is.
		_, _ = w.phones.WriteTo([]byte("\r\n\r\n"), mustUDP(w.sip))
		if info, err := os.Stat(c.file); err != nil || info.Size() < 500 {
			return errors.Join(errors.New("tshark sees nothing yet: "+lab.TailFrom(c.process.Log(), 0)), c.process.Err())
		}
		return nil
	})
}

// packet is a line of the capture.
type packet struct{ from, to, method, call, query string }

// packets reads all that was captured so far, as tshark dissects it.
func (c *capture) packets() []packet {
	c.Helper()
	sip := strconv.Itoa(c.ports)
	cmd := exec.Command("tshark", "-n", "-r", c.file, "-d", "udp.port=="+sip+",sip", "-d", "tcp.port=="+sip+",sip", "-T", "fields", //nolint:gosec // constant but for a port
		"-e", "udp.srcport", "-e", "ip.dst", "-e", "sip.Method", "-e", "sip.Call-ID", "-e", "dns.qry.name", "-E", "separator=|")
	out, err := cmd.Output()
	if err != nil && len(out) == 0 { // A file that is being written may end in the middle of a packet.
		c.Fatalf("%v\n%s", err, cmd.Stderr)
	}
	var all []packet
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "|")
		if len(f) == 5 {
			all = append(all, packet{f[0], f[1], f[2], f[3], f[4]})
		}
	}
	return all
}

// wantNothingLeft checks that the server has sent no SIP request, nothing to a host
// that an attack named, and has asked no name server for one.
func (c *capture) wantNothingLeft() {
	c.Helper()
	packets := c.packets()
	if len(packets) == 0 {
		c.Error("the capture is empty, so it proves nothing")
	}
	for _, p := range packets {
		switch {
		case p.from == strconv.Itoa(c.ports) && p.method != "":
			c.Errorf("SIP has left: %+v", p)
		case strings.Contains(p.query, "evil") || strings.Contains(p.query, "attacker"):
			c.Errorf("a name server was asked for %s", p.query)
		}
		for _, host := range strangers {
			if p.to == host {
				c.Errorf("a packet has left for %s", host)
			}
		}
	}
	select {
	case got := <-c.baits:
		c.Errorf("the bait has got %q", got)
	default:
	}
}

// wantInvite checks that the capture has the INVITE of a call: it would have seen the
// others.
func (c *capture) wantInvite() {
	c.Helper()
	c.within(func() error {
		for _, p := range c.packets() {
			if p.method == "INVITE" && p.from == strconv.Itoa(c.ports) {
				return nil
			}
		}
		return errors.New("the capture has no INVITE of a call that was allowed")
	})
}
