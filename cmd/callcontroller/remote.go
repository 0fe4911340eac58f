package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"callcontroller/client"
	"callcontroller/internal/secret"
)

const (
	envServer   = "CALLCONTROLLER_SERVER"
	envUser     = "CALLCONTROLLER_USER"
	envPIN      = "CALLCONTROLLER_PIN"
	envToken    = "CALLCONTROLLER_TOKEN" //nolint:gosec // It is a name.
	envCA       = "CALLCONTROLLER_CA"
	envInsecure = "CALLCONTROLLER_INSECURE"
)

// remote says which server is asked, by whom, and in which form the answer is printed.
type remote struct {
	Server    string `required:"" env:"CALLCONTROLLER_SERVER" placeholder:"URL" group:"server:" help:"Server: https://HOST[:PORT] or http://HOST[:PORT]."`
	User      string `env:"CALLCONTROLLER_USER" placeholder:"NAME" group:"server:" help:"Who asks; left out in a trusted network. The PIN comes from --pin-file, the variable CALLCONTROLLER_PIN, the terminal or standard input."`
	PINFile   string `name:"pin-file" type:"path" placeholder:"FILE" group:"server:" help:"File with the PIN on its only line."`
	TokenFile string `type:"path" placeholder:"FILE" group:"server:" help:"File with a token on its only line, in the place of user and PIN; or the variable CALLCONTROLLER_TOKEN."`
	CA        string `name:"ca" env:"CALLCONTROLLER_CA" type:"path" placeholder:"FILE" group:"server:" help:"Certificates (PEM) that may vouch for the server, in the place of the system's."`
	Insecure  bool   `env:"CALLCONTROLLER_INSECURE" group:"server:" help:"Take any certificate of the server: whoever is in between can read the PIN."`
	Output    string `short:"o" enum:"text,json" default:"text" help:"Form of the answer: text or json."`
}

// Validate refuses to guess who is meant.
func (r *remote) Validate() error {
	if r.User != "" && (r.TokenFile != "" || os.Getenv(envToken) != "") {
		return fmt.Errorf("there is a user (--user, %s) and a token (--token-file, %s): leave out one", envUser, envToken)
	}
	return nil
}

// connect makes the client.
func (r *remote) connect() (*client.Client, error) {
	var options []client.Option
	login, err := r.credentials()
	if err != nil {
		return nil, err
	}
	if login != nil {
		options = append(options, login)
	}
	if r.CA != "" {
		roots, err := readRoots(r.CA)
		if err != nil {
			return nil, err
		}
		options = append(options, client.RootCAs(roots))
	}
	if r.Insecure {
		options = append(options, client.Insecure())
	}
	return client.New(r.Server, options...)
}

// credentials are nil for nobody. A PIN goes by https only, else Digest proves it.
func (r *remote) credentials() (client.Option, error) {
	if r.User == "" {
		token, err := r.token()
		if err != nil || token.IsEmpty() {
			return nil, err
		}
		return client.Token(token.Reveal()), nil
	}
	pin, err := r.pin()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.ToLower(r.Server), "https:") {
		return client.Basic(r.User, pin.Reveal()), nil
	}
	return client.Digest(r.User, pin.Reveal()), nil
}

func (r *remote) token() (secret.Text, error) {
	if r.TokenFile != "" {
		return readSecret(r.TokenFile)
	}
	return secret.New(os.Getenv(envToken)), nil
}

func (r *remote) pin() (secret.Text, error) {
	if r.PINFile != "" {
		return readSecret(r.PINFile)
	}
	if text := os.Getenv(envPIN); text != "" {
		return secret.New(text), nil
	}
	return readPIN(os.Stdin, os.Stderr, r.User, false)
}

func readRoots(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca %s: there is no certificate in it", name)
	}
	return roots, nil
}

// ask does something with the server until it is done or Ctrl-C is pressed; a second
// Ctrl-C ends the program at once.
func (r *remote) ask(do func(context.Context, *client.Client) error) error {
	c, err := r.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	err = do(ctx, c)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Status == http.StatusUnauthorized && r.isNobody() {
		return fmt.Errorf("%w; say who asks with --user or --token-file", err)
	}
	return err
}

// isNobody tells whether no credentials were given.
func (r *remote) isNobody() bool {
	return r.User == "" && r.TokenFile == "" && os.Getenv(envToken) == ""
}
