package sdp

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

// hostile are descriptions that are all one thing.
func hostile(size int) map[string][]byte {
	fill := func(start, more string) []byte {
		return append(describe(start), strings.Repeat(more, (size-200-len(start))/len(more))+"\r\n"...)
	}
	return map[string][]byte{
		"formats":     fill("m=audio 4000 RTP/AVP", " 0"),
		"dynamic":     fill("m=audio 4000 RTP/AVP", " 96"),
		"rtpmaps":     fill(pcmu, "a=rtpmap:0 x\r\n"),
		"attributes":  fill(pcmu, "a=\r\n"),
		"directions":  fill(pcmu, "a=sendonly\r\n"),
		"empty lines": fill(pcmu, "\r\n"),
		"line feeds":  fill(pcmu, "\n"),
		"streams":     fill(strings.Repeat(pcmu, maxMedia), "a=x\n"),
		"again and again": append(describe("m=audio 4000 RTP/AVP"+strings.Repeat(" 0", size/4), "\r\na=rtpmap:0 "),
			strings.Repeat("x", size/3)...),
		"a long line": fill(pcmu+"a=", "x"),
	}
}

func use(body []byte) {
	s, phone := sink(), sink()
	_, _ = s.Answer(body)
	_, _ = s.PassOffer(phone, body)
	_, _ = phone.PassAnswer(s, body, body)
	_, _ = s.Refuse(body)
	_, _ = Find("multipart/mixed;boundary=0", body)
}

// TestZ17Linear: nothing in 64 KiB makes the work grow faster than the description, as
// what is allocated for it shows.
func TestZ17Linear(t *testing.T) {
	half, whole := hostile(maxBody/2), hostile(maxBody)
	for name, body := range whole {
		if _, err := Check(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a, b := allocated(half[name]), allocated(body); b > 3*a+maxBody {
			t.Errorf("%s: %d bytes are allocated for %d, %d for %d", name, a, len(half[name]), b, len(body))
		}
	}
}

// allocated is what one use costs, in bytes; the least of some, for others allocate too.
func allocated(body []byte) uint64 {
	var all []uint64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		use(body)
		runtime.ReadMemStats(&after)
		all = append(all, after.TotalAlloc-before.TotalAlloc)
	}
	return slices.Min(all)
}

// BenchmarkHostile is to stay under 10 ms each (row Z17).
func BenchmarkHostile(b *testing.B) {
	for name, body := range hostile(maxBody) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				use(body)
			}
		})
	}
}
