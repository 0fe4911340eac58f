package flame

import (
	"encoding/xml"
	"strings"
	"testing"
)

const samples = `
	ffffffff82068349 fib_table_lookup
	ffffffff81ff4180 ip_route_output_flow
	           a64aa callcontroller/internal/sip.Parse
	           97741 runtime.goexit.abi0

	           70a5 callcontroller/x.(*table[go.shape.struct { a string }]).get
	           97741 runtime.goexit.abi0

	           70a5 runtime.memmove
	           97741 runtime.goexit.abi0
`

// TestRead: what is the same is counted together, the kernel is one function, and what a
// generic function is for does not matter.
func TestRead(t *testing.T) {
	root, err := Read(strings.NewReader(samples))
	if err != nil {
		t.Fatal(err)
	}
	exit := root.calls["runtime.goexit.abi0"]
	if root.Count != 3 || exit == nil || exit.Count != 3 || len(exit.calls) != 3 {
		t.Fatalf("it has read %+v", root)
	}
	parse := exit.calls["callcontroller/internal/sip.Parse"]
	if parse == nil || len(parse.calls) != 1 || parse.calls["[kernel]"] == nil || parse.calls["[kernel]"].calls != nil {
		t.Errorf("below sip.Parse there is %+v", parse)
	}
	if exit.calls["callcontroller/x.(*table).get"] == nil {
		t.Errorf("it has read %v", exit.calls)
	}
}

// TestSVG: the picture can be read, and tells names and shares.
func TestSVG(t *testing.T) {
	root, err := Read(strings.NewReader(samples))
	if err != nil {
		t.Fatal(err)
	}
	svg := string(root.SVG("a < b"))
	if err := xml.Unmarshal([]byte(svg), new(any)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"a &lt; b", "<title>callcontroller/internal/sip.Parse 33.3 %</title>", ">sip.Parse<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("there is no %q in\n%s", want, svg)
		}
	}
}
