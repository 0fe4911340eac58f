package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"

	"callcontroller/internal/config/source"
)

// EnvPrefix starts the name of every environment variable that is read.
const EnvPrefix = "CALLCONTROLLER_"

// serviceLink matches what Kubernetes and Docker put into the environment of their
// own accord when a service is called callcontroller.
var serviceLink = regexp.MustCompile(`^CALLCONTROLLER_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func variable(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnvironment lays the variables over the file.
func (l *loader) readEnvironment(environ []string) {
	keyOf := map[string]string{}
	for _, key := range l.keys {
		keyOf[variable(key)] = key
	}
	provider := env.Provider(".", env.Opt{
		Prefix:      EnvPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key, at := keyOf[name], source.Place{Name: name}
			switch {
			case serviceLink.MatchString(name):
			case key == "":
				l.fault(at, "", "", unknownVariable(name, keyOf))
			default:
				return key, newEntry(l.fields[key], value, at)
			}
			return "", nil
		},
	})
	if err := l.merged.Load(provider, nil); err != nil {
		l.fault(source.Place{Name: "environment"}, "", "", err.Error())
	}
}

func unknownVariable(name string, keyOf map[string]string) string {
	var known []string
	for variable := range keyOf {
		known = append(known, strings.TrimPrefix(variable, EnvPrefix))
	}
	slices.Sort(known)
	if near := source.Nearest(strings.TrimPrefix(name, EnvPrefix), known); near != "" {
		return "unknown variable; did you mean " + EnvPrefix + near + "?"
	}
	return "unknown variable"
}

// readCommandLine lays the command line over all else. Secrets are refused there.
func (l *loader) readCommandLine(overrides map[string]string) {
	at := source.Place{Name: "command line"}
	layer := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		f, ok := l.fields[key]
		switch {
		case !ok && l.isSection(key):
			l.fault(at, key, "", "is a group of keys, not one")
		case !ok:
			l.fault(at, key, "", l.unknown(key))
		case f.kind == hidden:
			l.fault(at, key, "", "is a secret, and everybody on this machine can read a command line; use the file or "+variable(key))
		default:
			layer[key] = newEntry(f, overrides[key], at)
		}
	}
	l.merge(layer)
}

// newEntry splits the text of a list at its commas; empty parts count for nothing.
func newEntry(f field, text string, at source.Place) entry {
	e := entry{Place: at}
	if f.kind != list {
		e.Texts = []written{{text, at}}
		return e
	}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			e.Texts = append(e.Texts, written{part, at})
		}
	}
	return e
}
