package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.yaml.in/yaml/v3"

	"callcontroller/internal/config/source"
	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
)

// Editor changes a users file. What it does not change stays as it is, comments and
// order included; blank lines do not. After an error it is to be given up. For one
// goroutine at a time.
type Editor struct {
	path  string
	realm string
	text  []byte // as read; nil when the file is not there yet
	doc   *yaml.Node
	users []directory.User // as the text has them
}

// Edit opens the users file at path, or begins a new one when there is none. The realm
// is what HA1s are made for. A file that has mistakes is not edited: the error is
// source.Faults.
func Edit(path, realm string) (*Editor, error) {
	e := &Editor{path: path, realm: realm}
	read, err := source.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e, e.load([]byte("users: []\n"))
	case err != nil:
		return nil, err
	}
	e.text = read.Text
	return e, e.load(read.Text)
}

// load takes a text as the state of the file.
func (e *Editor) load(text []byte) error {
	users, err := parse(e.path, text, e.realm)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	e.doc, e.users = &doc, users
	return nil
}

// IsNew tells whether there is no file yet.
func (e *Editor) IsNew() bool { return e.text == nil }

// Users are the users as the file has them, after the changes so far. Identities that
// the file leaves out are not completed as a server does it.
func (e *Editor) Users() []directory.User { return slices.Clone(e.users) }

// Find gives the user of that name. For an alias the error names its user.
func (e *Editor) Find(name string) (directory.User, error) {
	for _, u := range e.users {
		if u.Name == name {
			return u, nil
		}
		if slices.Contains(u.Aliases, name) {
			return directory.User{}, fmt.Errorf("%q is an alias: the user's name is %q", name, u.Name)
		}
	}
	return directory.User{}, fmt.Errorf("there is no user %q in %s", name, e.path)
}

// Add puts a user with a PIN at the end of the list. Of u counts what has nothing to do
// with the PIN or with SIP.
func (e *Editor) Add(u directory.User, pin secret.Text, how Storage) error {
	fields, err := how.fields(u.Name, e.realm, pin)
	if err != nil {
		return err
	}
	item := &yaml.Node{Kind: yaml.MappingNode}
	item.Content = append(item.Content, word("name"), quoted(u.Name))
	if len(u.Aliases) > 0 {
		aliases := list(u.Aliases)
		aliases.Style = yaml.FlowStyle
		item.Content = append(item.Content, word("aliases"), aliases)
	}
	if u.DisplayName != "" {
		item.Content = append(item.Content, word("display_name"), quoted(u.DisplayName))
	}
	if u.Admin {
		item.Content = append(item.Content, word("admin"), word("true"))
	}
	item.Content = append(item.Content, fields...)
	all := e.list()
	if len(all.Content) == 0 {
		all.Style = 0 // "[]" becomes lines
	}
	all.Content = append(all.Content, item)
	return e.check()
}

// SetPIN gives a user another PIN, in the place of all forms of the old one.
func (e *Editor) SetPIN(name string, pin secret.Text, how Storage) error {
	if _, err := e.Find(name); err != nil {
		return err
	}
	fields, err := how.fields(name, e.realm, pin)
	if err != nil {
		return err
	}
	item := e.list().Content[e.index(name)]
	item.Content = replacePIN(item.Content, fields)
	return e.check()
}

// Remove takes a user out, with the comments that stand at him.
func (e *Editor) Remove(name string) error {
	if _, err := e.Find(name); err != nil {
		return err
	}
	all, i := e.list(), e.index(name)
	all.Content = slices.Delete(all.Content, i, i+1)
	return e.check()
}

// check reads what the file would be, by the rules of the server. A fault has no place,
// since nobody can see that text.
func (e *Editor) check() error {
	text, err := e.encode()
	if err != nil {
		return err
	}
	err = e.load(text)
	if faults, ok := errors.AsType[source.Faults](err); ok {
		for i := range faults {
			faults[i].Place = source.Place{}
		}
		return faults
	}
	return err
}

func (e *Editor) encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := errors.Join(encoder.Encode(e.doc), encoder.Close())
	return b.Bytes(), err
}

// list is the node of the list, which parse has seen there.
func (e *Editor) list() *yaml.Node { return e.doc.Content[0].Content[1] }

func (e *Editor) index(name string) int {
	return slices.IndexFunc(e.users, func(u directory.User) bool { return u.Name == name })
}

// replacePIN puts the new fields where the first of the old ones stood, else at the end.
// Comments of the old ones go to the first of the new.
func replacePIN(content, fields []*yaml.Node) []*yaml.Node {
	at := -1
	var kept []*yaml.Node
	for i := 0; i+1 < len(content); i += 2 {
		key, value := content[i], content[i+1]
		if !slices.Contains([]string{"pin", "pin_ha1", "pin_hash"}, key.Value) {
			kept = append(kept, key, value)
			continue
		}
		if at < 0 {
			at = len(kept)
		}
		fields[0].HeadComment = join(fields[0].HeadComment, key.HeadComment)
		fields[0].LineComment = join(fields[0].LineComment, join(key.LineComment, value.LineComment))
		fields[0].FootComment = join(fields[0].FootComment, key.FootComment)
	}
	if at < 0 {
		at = len(kept)
	}
	return slices.Insert(kept, at, fields...)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

func word(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text}
}

func list(texts []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, text := range texts {
		n.Content = append(n.Content, quoted(text))
	}
	return n
}
