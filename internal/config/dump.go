package config

import (
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Dump prints the configuration that is in force as YAML, with "***" for secrets.
// Behind each value of a loaded configuration stands where it comes from.
func (c *Config) Dump(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range c.fields() {
		if f.key == "users.file" && c.Users.File == "" {
			if err := add(root, "users", c.Users.Inline, c.origin("users")); err != nil {
				return err
			}
			continue
		}
		if err := put(root, f.key, f.show(), c.origin(f.key)); err != nil {
			return err
		}
	}
	if len(c.Policy.Users) > 0 {
		users := &yaml.Node{Kind: yaml.ScalarNode, Value: "users", LineComment: c.origin(policyUsers)}
		section := child(root, "policy")
		section.Content = append(section.Content, users, c.dumpPolicies())
	}
	if len(c.Webhooks.Endpoints) > 0 {
		endpoints := &yaml.Node{Kind: yaml.ScalarNode, Value: "endpoints", LineComment: c.origin(webhookEndpoints)}
		section := child(root, "webhooks")
		section.Content = append(section.Content, endpoints, c.dumpEndpoints())
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return err
	}
	return encoder.Close()
}

// put adds a value under a key with dots in it.
func put(n *yaml.Node, key string, value any, comment string) error {
	for {
		front, rest, ok := strings.Cut(key, ".")
		if !ok {
			return add(n, key, value, comment)
		}
		n, key = child(n, front), rest
	}
}

// origin is a comment, "" for a configuration that was made in code.
func (c *Config) origin(key string) string {
	switch places := c.places[key]; {
	case c.places == nil:
		return ""
	case len(places) == 0:
		return "default"
	default:
		return places[0].String()
	}
}

// child finds the mapping under a name, or makes it.
func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	section := &yaml.Node{Kind: yaml.MappingNode}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, section)
	return section
}

func add(n *yaml.Node, name string, value any, comment string) error {
	content := &yaml.Node{}
	if err := content.Encode(value); err != nil {
		return err
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
	if content.Kind == yaml.ScalarNode || len(content.Content) == 0 {
		content.LineComment = comment
	} else {
		key.LineComment = comment
	}
	n.Content = append(n.Content, key, content)
	return nil
}
