package attack

import (
	"net/http"
	"testing"
)

// attacks are the rows in their order. Each is refused, and nothing leaves.
var attacks = []struct {
	row    string
	attack func(w *world)
}{
	{"Z01 Host field that looks internal", z01Host},
	{"Z02 forged fields of a proxy", z02Proxy},
	{"Z03 agent impersonation", z03Agent},
	{"Z04 redirector smuggling", z04Redirector},
	{"Z05 line ends into SIP", z05LineEnds},
	{"Z06 URI injection", z06URI},
	{"Z07 calls to foreign hosts", z07Hosts},
	{"Z08 toll fraud", z08TollFraud},
	{"Z09 digest replay", z09Replay},
	{"Z11 user enumeration", z11Enumeration},
	{"Z11 extensions over SIP", z11Extensions},
	{"Z12 users without a PIN", z12NoPIN},
	{"Z13 requests of foreign web pages", z13Pages},
	{"Z15 spoofed SIP", z15Spoofed},
	{"Z16 torture", z16Torture},
	{"Z18 slow and large", z18SlowAndLarge},
	{"Z19 reflection", z19Reflection},
	{"Z22 results of others", z22Results},
	{"Z24 packed bodies and HTTP/2", z24Packed},
	{"Z25 debug surfaces", z25Surfaces},
}

// TestAttacks attacks one server with everything, captures what leaves, and then places
// a call that is allowed, to see that the server still serves and the capture sees.
func TestAttacks(t *testing.T) {
	needTshark(t)
	w := newWorld(t)
	w.serve()
	w.startCapture()
	for _, a := range attacks {
		t.Run(a.row, func(t *testing.T) {
			a.attack(w.with(t))
			w.with(t).within(w.alive)
		})
	}
	w.capture.wantNothingLeft()
	w.want(request{method: http.MethodPost, target: "/callcontroller/201/202?confpin=" + conference, as: "201:" + pin201}, http.StatusOK)
	w.capture.wantInvite()
	t.Run("Z14 XML injection", func(t *testing.T) { z14XML(w.with(t)) })
	t.Run("Z08 too many calls", func(t *testing.T) { z08TooMany(w.with(t)) })
	t.Run("Z10 guessing", func(t *testing.T) { z10Guessing(w.with(t)) })
	w.server.Stop()
	t.Run("Z20 secrets in logs", func(t *testing.T) { z20Secrets(w.with(t)) })
	t.Run("Z21 log injection", func(t *testing.T) { z21Lines(w.with(t)) })
}

// with is the same world for a test inside a test.
func (w *world) with(t *testing.T) *world {
	t.Helper()
	same := *w
	same.T = t
	return &same
}
