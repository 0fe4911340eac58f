package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"callcontroller/api"
	"callcontroller/internal/config/source"
	"callcontroller/internal/policy"
	"callcontroller/internal/secret"
	"callcontroller/internal/webhook/signature"
)

// Webhooks are those who are told of events by HTTP.
type Webhooks struct {
	Hosts     []HostPort     // webhooks.hosts: the only hosts that a URL may name, at that port; without one at the usual one; default none: any host
	Networks  []netip.Prefix // webhooks.networks: networks that are reached although they are not public; default none
	Private   bool           // webhooks.private: whether every address is reached; default false
	AllowHTTP bool           // webhooks.allow_http: whether URLs may be http://; default false
	Endpoints []Endpoint     // webhooks.endpoints; default none
}

// Outward is what of it limits where one may send to.
func (w *Webhooks) Outward() policy.Outward {
	o := policy.Outward{Networks: w.Networks, Private: w.Private, AllowHTTP: w.AllowHTTP}
	for _, h := range w.Hosts {
		o.Hosts = append(o.Hosts, h.String())
	}
	return o
}

// Endpoint is one who is told.
type Endpoint struct {
	Name       string      // name: letters, digits, "-" and "_", at most 64; required
	URL        string      // url: where to; required
	Secret     secret.Text // secret: for the signature, see package signature; required, also from SecretFile
	SecretFile string      // secret_file: a file with nothing but the secret, in the place of secret; default none
	Previous   secret.Text // previous_secret: signs as well, while receivers change to a new secret; default none
	Events     []string    // events: the types that are sent; default all
	Agents     []string    // agents: names of users whose calls are told; default all
}

const webhookEndpoints = "webhooks.endpoints"

func (w *Webhooks) fields() []field {
	return []field{
		many("webhooks.hosts", &w.Hosts, hostPort),
		many("webhooks.networks", &w.Networks, reachedNetwork),
		one("webhooks.private", &w.Private, boolean),
		one("webhooks.allow_http", &w.AllowHTTP, boolean),
	}
}

// fields are the keys of an endpoint.
func (e *Endpoint) fields(at string) []field {
	return []field{
		one(at+".name", &e.Name, endpointName),
		one(at+".url", &e.URL, webURL),
		hiddenText(at+".secret", &e.Secret, signingSecret),
		filePath(at+".secret_file", &e.SecretFile),
		hiddenText(at+".previous_secret", &e.Previous, signingSecret),
		many(at+".events", &e.Events, eventType),
		many(at+".agents", &e.Agents, text),
	}
}

func endpointAt(i int) string { return fmt.Sprintf("%s[%d]", webhookEndpoints, i) }

func reachedNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil && p.Bits() == 0 {
		return netip.Prefix{}, errors.New("would be every address; webhooks.private: true means that")
	}
	return network(text)
}

func endpointName(text string) (string, error) {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if text == "" || len(text) > 64 || strings.ContainsFunc(text, odd) {
		return "", errors.New("must be 1 to 64 letters, digits, hyphens and underscores")
	}
	return text, nil
}

func webURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > 2048 {
		return "", errors.New("must be https://HOST[:PORT]/PATH, at most 2048 characters")
	}
	// What it may lead to is a matter of other keys.
	return text, (&policy.Outward{AllowHTTP: true, Private: true}).CheckURL(u)
}

func signingSecret(text string) error {
	_, err := signature.Parse(secret.New(text))
	return err
}

func eventType(text string) (string, error) {
	all := api.EventTypes()
	if slices.Contains(all, text) {
		return text, nil
	}
	if near := source.Nearest(text, all); near != "" {
		return "", fmt.Errorf("is no type of events; is %s meant?", near)
	}
	return "", fmt.Errorf("is no type of events; those are %s", strings.Join(all, ", "))
}

// applyEndpoints reads the list of endpoints.
func (l *loader) applyEndpoints(n *yaml.Node) {
	list := []Endpoint{}
	for i, item := range l.doc.Items(n, webhookEndpoints) {
		at, e := endpointAt(i), Endpoint{}
		fields := e.fields(at)
		for _, f := range fields { // what is missing is missing here
			l.config.places[f.key] = []source.Place{l.doc.Place(item)}
		}
		l.applyPart(item, at, fields)
		if e.SecretFile != "" {
			l.readSecretFile(at+".secret_file", &e)
		}
		list = append(list, e)
	}
	l.config.Webhooks.Endpoints = list
}

// readSecretFile puts what the file has in the place of the secret.
func (l *loader) readSecretFile(key string, e *Endpoint) {
	at := l.config.places[key][0]
	if l.doc.Faults.Has(key, at) {
		return
	}
	if !e.Secret.IsEmpty() {
		l.fault(at, key, "", "stands beside a secret: give one of them")
		return
	}
	read, err := source.ReadFile(e.SecretFile)
	if err != nil {
		l.fault(at, key, e.SecretFile, err.Error())
		return
	}
	if read.Exposed != "" {
		l.config.notes = append(l.config.notes, read.Exposed)
	}
	e.Secret = secret.New(strings.TrimRight(string(read.Text), "\r\n"))
	if err := signingSecret(e.Secret.Reveal()); err != nil {
		l.fault(at, key, e.SecretFile, err.Error())
	}
}

// webhooks checks what concerns several keys, and a list that was made in code.
func (v *validator) webhooks() {
	c := &v.config.Webhooks
	if len(c.Endpoints) > 0 && !v.config.Journal.Enabled {
		v.fault(webhookEndpoints, 0, "", "are sent from the journal, which journal.enabled turns off")
	}
	names, rules := map[string]bool{}, c.Outward()
	for i := range c.Endpoints {
		e, at := &c.Endpoints[i], endpointAt(i)
		v.values(e.fields(at))
		v.endpoint(e, at, &rules)
		if names[e.Name] && e.Name != "" {
			v.fault(at+".name", 0, e.Name, "is taken by an endpoint that stands before")
		}
		names[e.Name] = true
	}
}

func (v *validator) endpoint(e *Endpoint, at string, rules *policy.Outward) {
	if e.Name == "" {
		v.fault(at+".name", 0, "", "is missing")
	}
	switch u, err := url.Parse(e.URL); {
	case e.URL == "":
		v.fault(at+".url", 0, "", "is missing")
	case err == nil: // else it has its fault
		if err := rules.CheckURL(u); err != nil {
			v.fault(at+".url", 0, printable(field{}, e.URL), err.Error())
		}
	}
	v.secrets(e, at)
}

func (v *validator) secrets(e *Endpoint, at string) {
	key := at + ".secret"
	if e.SecretFile != "" {
		key = at + ".secret_file"
	}
	if e.Secret.IsEmpty() {
		v.fault(key, 0, "", "is missing: give it, or secret_file")
	} else if err := signingSecret(e.Secret.Reveal()); err != nil {
		v.fault(key, 0, "", err.Error())
	}
	if err := signingSecret(e.Previous.Reveal()); err != nil && !e.Previous.IsEmpty() {
		v.fault(at+".previous_secret", 0, "", err.Error())
	}
}

// dumpEndpoints gives the endpoints as YAML has them.
func (c *Config) dumpEndpoints() *yaml.Node {
	all := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range c.Webhooks.Endpoints {
		e := c.Webhooks.Endpoints[i] // a copy
		if e.SecretFile != "" {
			e.Secret = secret.Text{}
		}
		item := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range e.fields("") {
			if given := f.show(); fmt.Sprint(given) != "" && fmt.Sprint(given) != "[]" {
				_ = put(item, strings.TrimPrefix(f.key, "."), given, "") // texts can be encoded
			}
		}
		all.Content = append(all.Content, item)
	}
	return all
}
