package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"callcontroller/internal/auth"
	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/directory/file"
	"callcontroller/internal/secret"
)

// user has the commands that look after a users file.
type user struct {
	Add    userAdd    `cmd:"" help:"Add a user."`
	Passwd userPasswd `cmd:"" help:"Give a user another PIN."`
	List   userList   `cmd:"" help:"List the users, and in which form their PINs are kept."`
	Check  userCheck  `cmd:"" help:"Ask for a user's PIN and tell whether it is right."`
	Remove userRemove `cmd:"" help:"Remove a user."`
}

// usersFile says which file is meant.
type usersFile struct {
	configFlags

	File  string `placeholder:"FILE" help:"Users file, in the place of the one that the configuration names."`
	Realm string `placeholder:"REALM" help:"SIP realm, in the place of that of the configuration. HA1s hold for one realm only."`
}

// edit opens the users file. The realm may be missing when only --file is given.
func (f *usersFile) edit() (*file.Editor, string, error) {
	path, realm := f.File, f.Realm
	if path == "" {
		cfg, err := f.loadBy(config.LoadWithoutUsers)
		if err != nil {
			return nil, "", fmt.Errorf("configuration:\n%w", err)
		}
		if cfg.Users.File == "" {
			return nil, "", errors.New("the configuration names no users file: write its users into a file of their own and name that with users.file, or use --file")
		}
		path = cfg.Users.File
		if realm == "" {
			realm = cfg.SIP.Realm
		}
	}
	e, err := file.Edit(path, realm)
	return e, realm, err
}

// save writes the file and says what is to be done.
func save(out io.Writer, e *file.Editor, said string) error {
	if err := e.Save(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, said+"; a running server takes it over on SIGHUP")
	return err
}

// stored says how a PIN is to be kept.
type stored struct {
	Store file.Storage `enum:"ha1,argon2id,plain" default:"ha1" help:"Form in which the PIN is kept: ha1 (Digest and Basic), argon2id (Basic only), plain."`
}

type userAdd struct {
	usersFile
	stored

	Name        string   `arg:"" help:"Login name, and name in the path of a request."`
	Alias       []string `placeholder:"NAME" help:"Other name for the same user. May be repeated."`
	DisplayName string   `placeholder:"TEXT" help:"Shown on the phone that rings."`
	Admin       bool     `help:"May place calls for any user."`
}

// Run implements the command.
func (c *userAdd) Run(out io.Writer) error {
	e, _, err := c.edit()
	if err != nil {
		return err
	}
	if _, err := e.Find(c.Name); err == nil {
		return fmt.Errorf("there is a user %q already: \"user passwd\" changes his PIN", c.Name)
	}
	pin, err := askPIN(c.Name, true)
	if err != nil {
		return err
	}
	u := directory.User{Name: c.Name, Aliases: c.Alias, DisplayName: c.DisplayName, Admin: c.Admin}
	if err := e.Add(u, pin, c.Store); err != nil {
		return err
	}
	return save(out, e, "added "+c.Name)
}

type userPasswd struct {
	usersFile
	stored

	Name string `arg:"" help:"The user's name."`
}

// Run implements the command.
func (c *userPasswd) Run(out io.Writer) error {
	e, _, err := c.edit()
	if err != nil {
		return err
	}
	if _, err := e.Find(c.Name); err != nil { // before anybody types a PIN
		return err
	}
	pin, err := askPIN(c.Name, true)
	if err != nil {
		return err
	}
	if err := e.SetPIN(c.Name, pin, c.Store); err != nil {
		return err
	}
	return save(out, e, "changed the PIN of "+c.Name)
}

type userRemove struct {
	usersFile

	Name string `arg:"" help:"The user's name."`
}

// Run implements the command.
func (c *userRemove) Run(out io.Writer) error {
	e, _, err := c.edit()
	if err != nil {
		return err
	}
	if err := e.Remove(c.Name); err != nil {
		return err
	}
	return save(out, e, "removed "+c.Name)
}

type userCheck struct {
	usersFile

	Name string `arg:"" help:"The user's name."`
}

// Run implements the command.
func (c *userCheck) Run(out io.Writer) error {
	e, realm, err := c.edit()
	if err != nil {
		return err
	}
	u, err := e.Find(c.Name)
	if err != nil {
		return err
	}
	if len(u.PINHA1) > 0 && realm == "" {
		return fmt.Errorf("the PIN of %s is kept as HA1, which holds for one realm: name it with --realm", c.Name)
	}
	pin, err := askPIN(c.Name, false)
	if err != nil {
		return err
	}
	if !auth.PINIsRight(realm, u, pin) {
		return wrongPIN(u, realm)
	}
	text := "the PIN is right"
	if u.Disabled {
		text += ", but the user is disabled and cannot log in"
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// wrongPIN says what else than a wrong PIN it can be.
func wrongPIN(u directory.User, realm string) error {
	switch {
	case len(kinds(u)) == 0:
		return fmt.Errorf("%s has no PIN, so he cannot log in", u.Name)
	case len(u.PINHA1) > 0:
		return fmt.Errorf("the PIN is not right, or was set for another realm than %q", realm)
	}
	return errors.New("the PIN is not right")
}

// kinds names the forms in which a user's PIN is kept.
func kinds(u directory.User) []string {
	list := []string{}
	if !u.PIN.IsEmpty() {
		list = append(list, "plain")
	}
	for _, ha1 := range u.PINHA1 {
		list = append(list, "ha1-"+strings.ToLower(hashName(ha1)))
	}
	if !u.PINHash.IsEmpty() {
		list = append(list, "argon2id")
	}
	return list
}

// askPIN reads a PIN from the terminal, without showing it, or else the line that comes
// on standard input.
func askPIN(name string, isNew bool) (secret.Text, error) {
	text, err := readPIN(os.Stdin, os.Stderr, name, isNew)
	if err != nil {
		return secret.Text{}, err
	}
	const short = 6
	if n := len(text.Reveal()); isNew && n < short {
		fmt.Fprintf(os.Stderr, "note: a PIN of %d characters is soon guessed; take %d or more\n", n, short)
	}
	return text, nil
}
