package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"callcontroller/internal/sandbox"
	"callcontroller/internal/sip"
)

// baresip starts the real phone with the account of a user, which answers at once,
// and waits until it is registered. It gives the file of its SIP trace.
func baresip(t *testing.T, w *world, user string) (trace string) {
	t.Helper()
	program, err := exec.LookPath("baresip")
	if err != nil {
		t.Skipf("baresip is not installed: %v", err)
	}
	modules := baresipModules(t)
	dir := t.TempDir()
	rtp := freePort(t)
	files := map[string]string{
		"config": fmt.Sprintf("poll_method epoll\nsip_listen 127.0.0.1:%d\nsip_trans_def udp\nnet_interface 127.0.0.1\n"+
			"rtp_ports %d-%d\naudio_source ausine,440\naudio_player aubridge,nil\naudio_alert aubridge,nil\n"+
			"ausrc_srate 48000\nauplay_srate 8000\nausrc_channels 2\nauplay_channels 1\nmodule_path %s\n"+
			"module g711.so\nmodule ausine.so\nmodule aubridge.so\nmodule_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n",
			freePort(t), rtp, min(rtp+20, 65535), modules),
		"accounts": fmt.Sprintf("<sip:%[1]s@demo.test>;auth_user=%[1]s;auth_pass=%[2]s;outbound=%[3]q;answermode=auto;"+
			"audio_codecs=PCMU/8000/1,PCMA/8000/1;regint=60;mwi=no\n",
			user, sandbox.DemoPassword(user), "sip:"+w.Proxy().Addr().String()+";transport=udp"),
		"contacts": "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trace = filepath.Join(dir, "trace")
	runUntilCleanup(t, trace, program, "-4", "-s", "-f", dir)
	eventually(t, "baresip is registered", func() bool { return len(w.Proxy().Registered(user)) == 1 })
	return trace
}

// runUntilCleanup runs a program whose output goes to a file. When the test fails the
// end of it is shown.
func runUntilCleanup(t *testing.T, output, program string, args ...string) {
	t.Helper()
	out, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...) // Killed before the clean-ups run.
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, filepath.Dir(output)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // It was killed.
		_ = out.Close()
		if text, err := os.ReadFile(output); err == nil && t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), text[max(0, len(text)-8192):])
		}
	})
}

func baresipModules(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // The patterns are well formed.
			return found[0]
		}
	}
	t.Skip("baresip has no modules under /usr/lib or /usr/local/lib")
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// A real phone registers, is called, and follows a REFER.
func TestBaresip(t *testing.T) {
	w := start(t, nil)
	trace := baresip(t, w, "205")

	w.dial("201", "sip:205@demo.test")
	w.shows("201", "talking sip:205@demo.test")
	w.Phone("201").HangUp()
	w.shows("201")

	done := newController(t, w).place("205", "202")
	got := rows(done)
	if last := got[len(got)-1]; last != "NOTIFY SIP/2.0 200 OK" {
		t.Errorf("the referred call ended with %q", got)
	}
	w.shows("202", "talking sip:205@demo.test")
	w.Phone("202").HangUp()
	w.shows("202")

	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "Retry-After") {
		t.Error("baresip was asked to come again")
	}
	challenged := w.count(func(m sandbox.Traced) bool {
		return m.Sent && m.Msg.Status == 401 && strings.HasSuffix(m.Msg.Get(sip.CSeq), sip.REGISTER)
	})
	if challenged == 0 {
		t.Error("baresip was registered without a challenge")
	}
}
