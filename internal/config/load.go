package config

import (
	"cmp"
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"callcontroller/internal/config/source"
	users "callcontroller/internal/directory/file"
	"callcontroller/internal/secret"
)

// Load puts the configuration together and validates it, the users in it or in
// their own file included. The file may be "" for none; environ is in the form of
// os.Environ; overrides are keys and values from the command line. The error is
// Faults: everything that is wrong, those in the file first, by line.
func Load(file string, environ []string, overrides map[string]string) (*Config, error) {
	return load(Default(), file, environ, overrides)
}

// LoadWithoutUsers is Load for who looks after the users file: that may have mistakes, or
// not be there yet.
func LoadWithoutUsers(file string, environ []string, overrides map[string]string) (*Config, error) {
	c := Default()
	c.withoutUsers = true
	return load(c, file, environ, overrides)
}

func load(c Config, file string, environ []string, overrides map[string]string) (*Config, error) {
	c.name, c.places = cmp.Or(file, "configuration"), map[string][]source.Place{}
	l := newLoader(&c)
	readable := l.readFile(file)
	l.readEnvironment(environ)
	l.readCommandLine(overrides)
	l.apply()
	c.SIP.Realm = cmp.Or(c.SIP.Realm, c.SIP.Domain)
	if readable {
		l.validate()
	}
	l.doc.Faults.Sort()
	if err := l.doc.Faults.Err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// entry is what one source says of one key: one text, or those of a list. It is
// the value that koanf merges, which copies exported fields only.
type entry struct {
	Place source.Place
	Texts []written
}

type written struct {
	Text  string
	Place source.Place
}

type loader struct {
	config *Config
	fields map[string]field
	keys   []string // sorted as in Config.fields
	merged *koanf.Koanf
	doc    *source.Document // the file, and all faults
	inline *yaml.Node       // the list under "users"
	rules  *yaml.Node       // the mapping under "policy.users"
	hooks  *yaml.Node       // the list under "webhooks.endpoints"
}

func newLoader(c *Config) *loader {
	l := &loader{config: c, fields: map[string]field{}, merged: koanf.New("."), doc: &source.Document{Name: c.name}}
	for _, f := range c.fields() {
		l.fields[f.key] = f
		l.keys = append(l.keys, f.key)
	}
	return l
}

// merge lays the entries of one source over those before it.
func (l *loader) merge(layer map[string]any) {
	if err := l.merged.Load(confmap.Provider(layer, "."), nil); err != nil {
		l.fault(source.Place{Name: l.config.name}, "", "", err.Error())
	}
}

func (l *loader) fault(at source.Place, key, value, reason string) {
	l.doc.Faults = append(l.doc.Faults, Fault{Place: at, Key: key, Value: value, Reason: reason})
}

// readFile tells false when the file is no readable YAML, so that what it lacks
// says nothing.
func (l *loader) readFile(name string) bool {
	if name == "" {
		return true
	}
	read, err := source.ReadFile(name)
	if err != nil {
		l.fault(source.Place{Name: name}, "", "", err.Error())
		return false
	}
	l.doc = source.Parse(name, read.Text)
	if l.doc.Root() == nil {
		return len(l.doc.Faults) == 0
	}
	layer := map[string]any{}
	l.readSection(l.doc.Root(), "", layer)
	l.merge(layer)
	_, password := layer["sip.account.password"]
	if read.Exposed != "" && (password || l.inline != nil || l.hooks != nil) {
		l.config.notes = []string{read.Exposed}
	}
	return true
}

// readSection reads the mapping that stands at a path which is the front part of
// known keys.
func (l *loader) readSection(n *yaml.Node, at string, layer map[string]any) {
	for _, f := range l.doc.Fields(n, at) {
		known, ok := l.fields[f.Path]
		switch {
		case given(layer, f.Path): // once nested, once with dots in its name
			l.doc.Fault(f.NameAt, f.Path, "", "stands here a second time")
		case ok:
			if e, ok := l.readValue(known, f); ok {
				layer[f.Path] = e
			}
		case f.Path == "users" && f.Content.Kind == yaml.SequenceNode:
			l.inline = f.Content
			layer[f.Path] = entry{Place: l.doc.Place(f.NameAt)}
		case f.Path == policyUsers:
			l.rules = f.Content
			layer[f.Path] = entry{Place: l.doc.Place(f.NameAt)}
		case f.Path == webhookEndpoints:
			l.hooks = f.Content
			layer[f.Path] = entry{Place: l.doc.Place(f.NameAt)}
		case !l.isSection(f.Path):
			l.doc.Fault(f.NameAt, f.Path, "", l.unknown(f.Path))
		case !source.IsNull(f.Content): // a section whose lines are all commented out is no mistake
			l.readSection(f.Content, f.Path, layer)
		}
	}
}

// given tells whether a layer has the key already; a list of users and a users file
// are one key in two forms.
func given(layer map[string]any, key string) bool {
	_, twice := layer[key]
	_, asList := layer["users"]
	_, asFile := layer["users.file"]
	return twice || key == "users.file" && asList || key == "users" && asFile
}

func (l *loader) isSection(at string) bool {
	return slices.ContainsFunc(l.keys, func(key string) bool { return strings.HasPrefix(key, at+".") })
}

func (l *loader) unknown(key string) string {
	return source.Unknown(key, slices.Concat(l.keys, l.sections()))
}

// sections are the front parts of the keys.
func (l *loader) sections() []string {
	found := map[string]bool{}
	for _, key := range l.keys {
		for dot := strings.LastIndexByte(key, '.'); dot > 0; dot = strings.LastIndexByte(key[:dot], '.') {
			found[key[:dot]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func (l *loader) readValue(known field, f source.Field) (entry, bool) {
	e := entry{Place: l.doc.Place(f.Content)}
	nodes := []*yaml.Node{f.Content}
	if known.kind == list {
		nodes = l.doc.Items(f.Content, f.Path)
	}
	faults := len(l.doc.Faults)
	for _, n := range nodes {
		text, _ := l.doc.Scalar(n, f.Path)
		if known.kind == path && text != "" && !filepath.IsAbs(text) {
			text = filepath.Join(filepath.Dir(l.doc.Name), text)
		}
		e.Texts = append(e.Texts, written{text, l.doc.Place(n)})
	}
	return e, len(l.doc.Faults) == faults
}

// apply decodes the merged texts into the configuration.
func (l *loader) apply() {
	all := l.merged.All()
	for _, key := range l.keys {
		if e, ok := all[key].(entry); ok {
			l.applyKey(l.fields[key], e)
		}
	}
	if e, ok := all["users"].(entry); ok {
		l.config.places["users"] = []source.Place{e.Place}
		l.config.Users.Inline = users.Decode(l.doc, l.inline, l.config.SIP.Domain)
	}
	if e, ok := all[policyUsers].(entry); ok && !source.IsNull(l.rules) {
		l.config.places[policyUsers] = []source.Place{e.Place}
		l.applyPolicy(l.rules)
	}
	if e, ok := all[webhookEndpoints].(entry); ok && !source.IsNull(l.hooks) {
		l.config.places[webhookEndpoints] = []source.Place{e.Place}
		l.applyEndpoints(l.hooks)
	}
}

// applyPart reads a mapping that has keys of its own, in the way of those of the whole
// file.
func (l *loader) applyPart(n *yaml.Node, at string, fields []field) {
	inner := &loader{config: l.config, doc: l.doc, fields: map[string]field{}}
	for _, f := range fields {
		inner.fields[f.key] = f
		inner.keys = append(inner.keys, f.key)
	}
	layer := map[string]any{}
	inner.readSection(n, at, layer)
	for _, key := range inner.keys {
		if e, ok := layer[key].(entry); ok {
			inner.applyKey(inner.fields[key], e)
		}
	}
}

func (l *loader) applyKey(f field, e entry) {
	f.clear()
	places := make([]source.Place, 0, len(e.Texts))
	for _, w := range e.Texts {
		places = append(places, w.Place)
		if err := f.set(w.Text); err != nil {
			l.fault(w.Place, f.key, printable(f, w.Text), err.Error())
		}
	}
	if len(places) == 0 {
		places = []source.Place{e.Place}
	}
	l.config.places[f.key] = places
}

var userinfo = regexp.MustCompile(`(//|sips?:).*@`)

// printable is what a fault may show: no secret, and no password in a URI.
func printable(f field, text string) string {
	if f.kind == hidden {
		return ""
	}
	return userinfo.ReplaceAllString(text, "${1}"+secret.Mask+"@")
}

// validate adds the faults of the whole, but none for a value that has one already.
func (l *loader) validate() {
	var faults Faults
	if !errors.As(l.config.Validate(), &faults) {
		return
	}
	for _, f := range faults {
		if !l.doc.Faults.Has(f.Key, f.Place) {
			l.doc.Faults = append(l.doc.Faults, f)
		}
	}
}
