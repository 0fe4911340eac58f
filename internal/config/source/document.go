package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Document is one YAML text under its name, and the faults found in it so far.
//
// Aliases, anchors, merge keys and tags are refused: they would hide where a value
// comes from, and a password that starts with "*", "&" or "!" would vanish in them.
type Document struct {
	Name   string
	Faults Faults
	root   *yaml.Node
}

// Parse reads the text. Where it is no YAML, the document has that fault and no root.
func Parse(name string, text []byte) *Document {
	d := &Document{Name: name}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		if !errors.Is(err, io.EOF) {
			d.Faults = append(d.Faults, syntaxFault(name, text, err))
		}
		return d
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		d.Fault(&second, "", "", `a second document starts here: only one may stand in the file`)
	case !errors.Is(err, io.EOF):
		d.Faults = append(d.Faults, syntaxFault(name, text, err))
	}
	d.root = first.Content[0]
	return d
}

// Root is the top of the document, nil when the text is empty or no YAML.
func (d *Document) Root() *yaml.Node { return d.root }

// Fault notes a mistake at a node, or in the file as a whole when the node is nil.
func (d *Document) Fault(at *yaml.Node, key, value, reason string) {
	d.Faults = append(d.Faults, Fault{Place: d.Place(at), Key: key, Value: value, Reason: reason})
}

// Place is where a node starts; a nil node stands for the whole file.
func (d *Document) Place(n *yaml.Node) Place {
	if n == nil {
		return Place{Name: d.Name}
	}
	return Place{Name: d.Name, Line: n.Line, Column: n.Column}
}

// Field is one key of a mapping with its value.
type Field struct {
	Name    string
	Path    string // the names from the top to here, joined by "."
	NameAt  *yaml.Node
	Content *yaml.Node
}

// Fields gives the fields of a mapping that stands at path. Whatever is no mapping
// is a fault; so is a name that is no plain word, or stands there twice.
func (d *Document) Fields(n *yaml.Node, path string) []Field {
	return d.fields(n, path, d.fieldName)
}

// Entries gives the fields of a mapping whose names are no keys, but names of users or
// the like.
func (d *Document) Entries(n *yaml.Node, path string) []Field {
	return d.fields(n, path, d.entryName)
}

func (d *Document) fields(n *yaml.Node, path string, isName func(*yaml.Node, string) bool) []Field {
	if !d.plain(n, path) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.Fault(n, path, "", "must be a mapping: lines of the form \"name: value\"")
		return nil
	}
	var fields []Field
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if !isName(name, path) {
			continue
		}
		field := Field{Name: name.Value, Path: Join(path, name.Value), NameAt: name, Content: n.Content[i+1]}
		if first := seen[field.Name]; first != nil {
			d.Fault(name, field.Path, "", fmt.Sprintf("stands here a second time, first in line %d", first.Line))
			continue
		}
		seen[field.Name] = name
		fields = append(fields, field)
	}
	return fields
}

// Join puts a name under a path.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// fieldName refuses a name that is no plain word. It is not printed: behind a
// forgotten space, as in {pin:1234}, the name has the value in it.
func (d *Document) fieldName(n *yaml.Node, path string) bool {
	switch {
	case !d.plain(n, path):
		return false
	case n.Kind != yaml.ScalarNode || !fieldName.MatchString(n.Value):
		d.Fault(n, path, "", "what stands here is no name of a key; is a space missing behind its colon?")
		return false
	}
	return true
}

func (d *Document) entryName(n *yaml.Node, path string) bool {
	switch {
	case !d.plain(n, path):
		return false
	case n.Kind != yaml.ScalarNode || n.Value == "":
		d.Fault(n, path, "", "what stands here is no name")
		return false
	}
	return true
}

// Items gives the items of a list.
func (d *Document) Items(n *yaml.Node, path string) []*yaml.Node {
	if !d.plain(n, path) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.Fault(n, path, "", "must be a list: [one, two] or lines that start with \"- \"")
		return nil
	}
	return n.Content
}

// Scalar gives the text of a value as it is written: 0123 stays 0123. It tells
// false when there is none, after noting the fault.
func (d *Document) Scalar(n *yaml.Node, path string) (string, bool) {
	switch {
	case !d.plain(n, path):
		return "", false
	case n.Kind != yaml.ScalarNode:
		d.Fault(n, path, "", "must be a single value, not a list or mapping")
		return "", false
	case IsNull(n):
		d.Fault(n, path, "", `has no value: write one, "" for an empty one, or leave the key out`)
		return "", false
	}
	return n.Value, true
}

// IsNull tells whether nothing, or null, stands where a value should.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// plain refuses what would hide a value.
func (d *Document) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.Fault(n, path, "", `an alias is not allowed here; quote a value that starts with "*"`)
	case n.Anchor != "":
		d.Fault(n, path, "", `an anchor is not allowed here; quote a value that starts with "&"`)
	case n.Style&yaml.TaggedStyle != 0 || !strings.HasPrefix(n.Tag, "!!"):
		d.Fault(n, path, "", `a tag is not allowed here; quote a value that starts with "!"`)
	default:
		return true
	}
	return false
}
