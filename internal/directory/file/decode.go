package file

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"callcontroller/internal/config/source"
	"callcontroller/internal/directory"
	"callcontroller/internal/secret"
)

// parse reads the text of a users file of that name.
func parse(name string, text []byte, domain string) ([]directory.User, error) {
	d := source.Parse(name, text)
	var users []directory.User
	if list := usersList(d); list != nil {
		users = Decode(d, list, domain)
	}
	d.Faults.Sort()
	return users, d.Faults.Err()
}

// usersList finds the list under the one key that the file has. An empty file is a
// fault, since it is rather a file cut short than a wish to have no users.
func usersList(d *source.Document) *yaml.Node {
	if d.Root() == nil {
		if len(d.Faults) == 0 {
			d.Fault(nil, "users", "", `is missing: the file is empty; for no users write "users: []"`)
		}
		return nil
	}
	var list *yaml.Node
	for _, f := range d.Fields(d.Root(), "") {
		if f.Name != "users" {
			d.Fault(f.NameAt, f.Path, "", source.Unknown(f.Name, []string{"users"}))
			continue
		}
		list = f.Content
	}
	if list == nil && len(d.Faults) == 0 {
		d.Fault(d.Root(), "users", "", "is missing")
	}
	return list
}

// Decode reads a list of users that stands under the key "users" of a document, be
// it a users file or the configuration. Mistakes go into the document's faults, all
// of them; the result counts only when there is none. The domain completes
// identities.
func Decode(d *source.Document, list *yaml.Node, domain string) []directory.User {
	var users []directory.User
	var places []places
	for i, item := range d.Items(list, "users") {
		r := reader{doc: d, at: map[string]*yaml.Node{"": item}}
		users = append(users, r.user(item, fmt.Sprintf("users[%d]", i)))
		places = append(places, r.at)
	}
	for _, m := range check(users) {
		if places[m.user].spoiled(m.key) {
			continue
		}
		if m.first != nil {
			m.reason += fmt.Sprintf(" line %d", places[m.first.user].find(m.first.key).Line)
		}
		d.Fault(places[m.user].find(m.key), m.String(), m.value, m.reason)
	}
	return complete(users, domain)
}

// places knows where the fields of one user stand, by key ("sip.ha1", "aliases[0]",
// "" for the user as a whole). A field that is there but cannot be read is nil.
type places map[string]*yaml.Node

func (p places) find(key string) *yaml.Node {
	if n := p[key]; n != nil {
		return n
	}
	return p[""]
}

// spoiled tells whether the field has its fault already.
func (p places) spoiled(key string) bool {
	n, known := p[key]
	return known && n == nil
}

// reader reads one user.
type reader struct {
	doc *source.Document
	at  places
}

var known = []string{
	"name", "aliases", "display_name", "identity", "pin", "pin_ha1", "pin_hash", "admin", "disabled",
	"sip", "sip.username", "sip.password", "sip.ha1",
}

func (r *reader) user(item *yaml.Node, path string) (u directory.User) {
	before := len(r.doc.Faults)
	fields := r.doc.Fields(item, path)
	if len(fields) == 0 && len(r.doc.Faults) > before {
		r.at["name"] = nil // it is no mapping: that its name is missing would say the same twice
	}
	for _, f := range fields {
		switch f.Name {
		case "name":
			u.Name = r.text(f, f.Name)
		case "aliases":
			u.Aliases = r.list(f)
		case "display_name":
			u.DisplayName = r.text(f, f.Name)
		case "identity":
			u.Identity = r.text(f, f.Name)
		case "pin":
			u.PIN = secret.New(r.text(f, f.Name))
		case "pin_ha1":
			for _, ha1 := range r.list(f) {
				u.PINHA1 = append(u.PINHA1, secret.New(ha1))
			}
		case "pin_hash":
			u.PINHash = secret.New(r.text(f, f.Name))
		case "admin":
			u.Admin = r.boolean(f)
		case "disabled":
			u.Disabled = r.boolean(f)
		case "sip":
			u.SIP = r.credentials(f)
		default:
			r.doc.Fault(f.NameAt, f.Path, "", source.Unknown(f.Name, known))
		}
	}
	return u
}

func (r *reader) credentials(sip source.Field) (c directory.Credentials) {
	for _, f := range r.doc.Fields(sip.Content, sip.Path) {
		key := source.Join(sip.Name, f.Name)
		switch f.Name {
		case "username":
			c.Username = r.text(f, key)
		case "password":
			c.Password = secret.New(r.text(f, key))
		case "ha1":
			c.HA1 = secret.New(r.text(f, key))
		default:
			r.doc.Fault(f.NameAt, f.Path, "", source.Unknown(key, known))
		}
	}
	return c
}

func (r *reader) list(f source.Field) (texts []string) {
	for i, item := range r.doc.Items(f.Content, f.Path) {
		index := fmt.Sprintf("[%d]", i)
		one := source.Field{Path: f.Path + index, Content: item}
		texts = append(texts, r.text(one, f.Name+index))
	}
	return texts
}

func (r *reader) boolean(f source.Field) bool {
	text := r.text(f, f.Name)
	if text != "true" && text != "false" && r.at[f.Name] != nil {
		r.doc.Fault(f.Content, f.Path, text, "must be true or false")
	}
	return text == "true"
}

// text reads one value and keeps its place under key.
func (r *reader) text(f source.Field, key string) string {
	text, ok := r.doc.Scalar(f.Content, f.Path)
	r.at[key] = nil
	if ok {
		r.at[key] = f.Content
	}
	return text
}
