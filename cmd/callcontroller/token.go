package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"callcontroller/internal/config"
	"callcontroller/internal/directory"
	"callcontroller/internal/directory/file"
	"callcontroller/internal/token"
)

// tokens has the commands that look after the file of tokens.
type tokens struct {
	Create tokenCreate `cmd:"" help:"Make a token and print it, this once."`
	List   tokenList   `cmd:"" help:"List the tokens; the tokens themselves are not kept."`
	Check  tokenCheck  `cmd:"" help:"Read a token from standard input and tell what it is."`
	Revoke tokenRevoke `cmd:"" help:"Take a token out."`
}

type tokenCreate struct {
	configFlags

	Agent   string   `placeholder:"NAME" help:"User whose rights the token has. Only one with the scope admin needs none."`
	Scope   []string `required:"" placeholder:"SCOPE" help:"What it allows: calls:read, calls:write; admin: with the calls of every agent. May be repeated."`
	Expires lifetime `placeholder:"TIME" help:"How long it holds, such as 90d or 12h; for ever when this is left out."`
	Note    string   `placeholder:"TEXT" help:"What it is for, shown in the list."`
}

// Run implements the command. Only the token goes to standard output, so that a script can
// take it from there.
func (c *tokenCreate) Run(out io.Writer) error {
	cfg, err := c.load()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	t := token.Token{Note: c.Note}
	if t.Scopes, err = parseScopes(c.Scope); err != nil {
		return err
	}
	if t.Agent, err = agentOf(cfg, c.Agent, t.Scopes); err != nil {
		return err
	}
	if c.Expires > 0 {
		t.Expires = time.Now().Add(time.Duration(c.Expires)).UTC().Truncate(time.Second)
	}
	text, t, err := token.Create(cfg.TokensFile(), t)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "made the token %s: %s\nIt is printed this once, and takes effect within seconds.\n", t.ID, describe(t))
	_, err = fmt.Fprintln(out, text.Reveal())
	return err
}

func parseScopes(names []string) (all token.Scope, err error) {
	for _, name := range names {
		one, err := token.ParseScope(name)
		if err != nil {
			return 0, err
		}
		all |= one
	}
	return all, nil
}

// agentOf gives the name of the user by whose name or alias an agent is meant, if any is.
func agentOf(cfg *config.Config, name string, scopes token.Scope) (string, error) {
	if name == "" {
		return "", nil
	}
	users, err := usersOf(cfg)
	if err != nil {
		return "", err
	}
	u, ok := users.Lookup(name)
	switch {
	case !ok:
		return "", fmt.Errorf("agent %q: there is no such user", name)
	case scopes.Has(token.Admin) && !u.Admin:
		return "", fmt.Errorf("agent %q: he is no administrator, so his token cannot have the scope admin", name)
	}
	return u.Name, nil
}

func usersOf(cfg *config.Config) (*file.Directory, error) {
	if cfg.Users.File != "" {
		return file.Open(cfg.Users.File, cfg.SIP.Domain)
	}
	return file.FromUsers(cfg.Users.Inline, cfg.SIP.Domain)
}

// lifetime is a time as people write it: 90d, 12h, 1h30m.
type lifetime time.Duration

// longest keeps the end of a token within the years that can be written.
const longest = 100 * 365 * 24 * time.Hour

// UnmarshalText implements the flag.
func (l *lifetime) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err2 := strconv.ParseUint(days, 10, 16)
		d, err = time.Duration(n)*24*time.Hour, err2
	}
	if err != nil || d < time.Second || d > longest {
		return fmt.Errorf("%q: must be a time such as 90d or 12h, at most 36500d", text)
	}
	*l = lifetime(d)
	return nil
}

type tokenRevoke struct {
	configFlags

	ID string `arg:"" help:"ID of the token, as the list has it."`
}

// Run implements the command. A mistake in the users file must not stand in its way.
func (c *tokenRevoke) Run(out io.Writer) error {
	cfg, err := c.loadBy(config.LoadWithoutUsers)
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	t, err := token.Revoke(cfg.TokensFile(), c.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "revoked %s (%s); a running server refuses it within seconds\n", t.ID, describe(t))
	return err
}

type tokenCheck struct {
	configFlags
}

// Run implements the command.
func (c *tokenCheck) Run(out io.Writer) error {
	cfg, err := c.load()
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	store, err := token.Open(cfg.TokensFile(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	text, err := readToken(os.Stdin, os.Stderr)
	if err != nil {
		return err
	}
	t, ok := store.Find(token.HashOf(text))
	if !ok {
		if err := token.CheckForm(text); err != nil {
			return err
		}
		return fmt.Errorf("there is no such token in %s: it was revoked, or is of another server", cfg.TokensFile())
	}
	if err := inForce(cfg, t); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "token %s: %s\n", t.ID, describe(t))
	return err
}

// inForce tells why a token is refused that there is.
func inForce(cfg *config.Config, t token.Token) error {
	users, err := usersOf(cfg)
	if err != nil {
		return err
	}
	var u directory.User
	if t.Agent != "" {
		u, _ = users.Lookup(t.Agent)
	}
	said := fmt.Sprintf("token %s: %s; it is refused: ", t.ID, describe(t))
	switch {
	case t.Expired(time.Now()):
		return errors.New(said + "its time is over")
	case u.Name != t.Agent:
		return errors.New(said + "there is no such user any more")
	case u.Disabled:
		return errors.New(said + "the user is disabled")
	}
	return nil
}

// describe says what a token is, without the ID.
func describe(t token.Token) string {
	text := t.Scopes.String() + " for " + agentShown(t) + ", " + expiryShown(t, time.Now())
	if t.Note != "" {
		text += ", " + strconv.Quote(t.Note)
	}
	return text
}

func agentShown(t token.Token) string {
	if t.Agent == "" {
		return "every agent"
	}
	return t.Agent
}

func expiryShown(t token.Token, now time.Time) string {
	switch {
	case t.Expires.IsZero():
		return "does not expire"
	case t.Expired(now):
		return "expired " + t.Expires.Format(time.RFC3339)
	default:
		return "expires " + t.Expires.Format(time.RFC3339)
	}
}
