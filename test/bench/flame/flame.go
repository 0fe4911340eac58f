// Package flame draws where a program spends its time: a picture in SVG of the stacks that
// perf(1) has recorded, one box for each function below the ones that it was called by, as
// wide as its share of the time.
package flame

import (
	"bufio"
	"cmp"
	"fmt"
	"html"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Node is a function, called by the one above it.
type Node struct {
	Name  string
	Count int // samples, those of its callees included
	calls map[string]*Node
}

// instance is what a generic function was made for.
var instance = regexp.MustCompile(`\[go\.shape[^]]*\]*`)

// Read reads what perf script -F ip,sym prints: a sample is lines "ADDRESS FUNCTION", the
// innermost first, and an empty line. All of the kernel is one function.
func Read(r io.Reader) (*Node, error) {
	root, lines := &Node{Name: "all"}, bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var stack []string
	for lines.Scan() {
		address, name, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if !ok {
			root.add(stack)
			stack = stack[:0]
			continue
		}
		if strings.HasPrefix(address, "ffffffff") {
			name = "[kernel]"
		}
		if len(stack) == 0 || name != "[kernel]" || stack[len(stack)-1] != name {
			stack = append(stack, instance.ReplaceAllString(name, ""))
		}
	}
	root.add(stack)
	return root, lines.Err()
}

// add counts a sample, the innermost function first.
func (n *Node) add(stack []string) {
	if len(stack) == 0 {
		return
	}
	n.Count++
	for _, name := range slices.Backward(stack) {
		if n.calls == nil {
			n.calls = map[string]*Node{}
		}
		next := n.calls[name]
		if next == nil {
			next = &Node{Name: name}
			n.calls[name] = next
		}
		n = next
		n.Count++
	}
}

const (
	width  = 1200.0
	row    = 16
	letter = 6.2   // the width of one, about
	least  = 0.004 // what takes a smaller share of all is left out
)

// picture is one being drawn.
type picture struct {
	out   strings.Builder
	total float64
	depth int
}

// SVG draws the picture, those who call above those whom they call.
func (n *Node) SVG(title string) []byte {
	p := &picture{total: float64(n.Count)}
	p.draw(n, 0, 1)
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="monospace" font-size="10">`+"\n"+
		`<text x="4" y="12" font-size="12">%s</text>`+"\n", width, (p.depth+3)*row, html.EscapeString(title))
	return []byte(head + p.out.String() + "</svg>\n")
}

func (p *picture) draw(n *Node, x float64, depth int) {
	p.depth = max(p.depth, depth)
	share := float64(n.Count) / p.total
	name := html.EscapeString(n.Name)
	fmt.Fprintf(&p.out, `<g><title>%s %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="white" stroke-width=".5"/>`,
		name, 100*share, x, depth*row+4, share*width, row, color(n.Name))
	if room := int(share * width / letter); room > 3 {
		fmt.Fprintf(&p.out, `<text x="%.1f" y="%d">%s</text>`, x+2, depth*row+15, html.EscapeString(short(n.Name, room)))
	}
	p.out.WriteString("</g>\n")
	callees := slices.SortedFunc(maps.Values(n.calls), func(a, b *Node) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Name, b.Name))
	})
	for _, callee := range callees {
		share := float64(callee.Count) / p.total
		if share >= least {
			p.draw(callee, x, depth+1)
		}
		x += share * width
	}
}

// short is a name without the path of its package, in so many letters.
func short(name string, room int) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	return name[:min(len(name), room)]
}

// color tells whose a function is.
func color(name string) string {
	switch {
	case name == "[kernel]":
		return "#c8c8c8"
	case strings.HasPrefix(name, "callcontroller/") || strings.HasPrefix(name, "main."):
		return "#9ad29a"
	case strings.HasPrefix(name, "runtime"):
		return "#f2b872"
	case strings.Contains(name, "nats"):
		return "#b9a7e0"
	default:
		return "#9cc3e6"
	}
}
