package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"callcontroller/internal/directory"
	"callcontroller/internal/pin"
	"callcontroller/internal/secret"
)

type userList struct {
	usersFile

	Output string `short:"o" enum:"text,json" default:"text" help:"Form of the list: text or json."`
}

// listed is a user as JSON has him.
type listed struct {
	Name     string   `json:"name"`
	Aliases  []string `json:"aliases"`
	PIN      []string `json:"pin"` // the forms in which it is kept; none: he cannot log in
	Admin    bool     `json:"admin"`
	Disabled bool     `json:"disabled"`
}

// Run implements the command.
func (c *userList) Run(out io.Writer) error {
	e, _, err := c.edit()
	if err != nil {
		return err
	}
	if e.IsNew() {
		return fmt.Errorf("there is no file %s", c.File)
	}
	if c.Output == "json" {
		return printJSON(out, e.Users())
	}
	return printTable(out, e.Users())
}

func printJSON(out io.Writer, users []directory.User) error {
	list := []listed{}
	for _, u := range users {
		list = append(list, listed{u.Name, append([]string{}, u.Aliases...), kinds(u), u.Admin, u.Disabled})
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}

func printTable(out io.Writer, users []directory.User) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tALIASES\tRIGHTS\tPIN")
	for _, u := range users {
		form := strings.Join(kinds(u), ", ")
		if form == "" {
			form = "none, cannot log in"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Name, strings.Join(u.Aliases, ", "), rights(u), form)
	}
	return w.Flush()
}

func rights(u directory.User) string {
	var list []string
	if u.Admin {
		list = append(list, "admin")
	}
	if u.Disabled {
		list = append(list, "disabled")
	}
	return strings.Join(list, ", ")
}

func hashName(ha1 secret.Text) string {
	hash, _ := pin.HashOf(ha1) // those of a users file are all known
	return hash.String()
}
