package model

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"callcontroller/internal/sip/transport/memnet"
	"callcontroller/test/phones"
)

func addrOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(21 + i)}), 5060)
}

func uriOf(i int) string { return fmt.Sprintf("sip:%d@%s", 201+i, addrOf(i)) }

func newPhone(t *testing.T, n *memnet.Network, i int, p phones.Plan) *phones.Phone {
	t.Helper()
	f, err := phones.New(t.Context(), phones.Options{
		Net: n.Host(addrOf(i).Addr()), Listen: addrOf(i).String(), Plan: func(string) phones.Plan { return p },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// withoutOrigin cuts the o= line out of a description.
func withoutOrigin(body string) (origin, rest string) {
	var b strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "o=") {
			origin = strings.TrimSpace(line)
			continue
		}
		b.WriteString(line)
	}
	return origin, b.String()
}
