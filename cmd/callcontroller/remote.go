package main

import (
	"context"
	"crypto/x509"
	"fmt"
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
	envPassword = "CALLCONTROLLER_PASSWORD" //nolint:gosec // It is a name.
)

// remote says which server is asked, by whom, and in which form the answer is printed.
type remote struct {
	Server       string `required:"" env:"CALLCONTROLLER_SERVER" placeholder:"URL" help:"Server: https://HOST[:PORT] or http://HOST[:PORT]."`
	User         string `env:"CALLCONTROLLER_USER" placeholder:"NAME" help:"Who asks; nobody in a trusted network. The password comes from --password-file, the variable CALLCONTROLLER_PASSWORD, the terminal or standard input."`
	PasswordFile string `placeholder:"FILE" help:"File with the password on its only line."`
	CA           string `name:"ca" placeholder:"FILE" help:"Certificates (PEM) that may vouch for the server, in the place of the system's."`
	Insecure     bool   `help:"Take any certificate of the server: whoever is in between can read the password."`
	Output       string `short:"o" enum:"text,json" default:"text" help:"Form of the answer: text or json."`
}

// connect makes the client: the password goes by https only, else Digest proves it.
func (r *remote) connect() (*client.Client, error) {
	var options []client.Option
	if r.User != "" {
		password, err := r.password()
		if err != nil {
			return nil, err
		}
		credentials := client.Digest
		if strings.HasPrefix(strings.ToLower(r.Server), "https:") {
			credentials = client.Basic
		}
		options = append(options, credentials(r.User, password.Reveal()))
	}
	if r.CA != "" {
		pem, err := os.ReadFile(r.CA)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s: there is no certificate in it", r.CA)
		}
		options = append(options, client.RootCAs(roots))
	}
	if r.Insecure {
		options = append(options, client.Insecure())
	}
	return client.New(r.Server, options...)
}

func (r *remote) password() (secret.Text, error) {
	if r.PasswordFile != "" {
		f, err := os.Open(r.PasswordFile)
		if err != nil {
			return secret.Text{}, err
		}
		defer f.Close()
		return readLine(f)
	}
	if text := os.Getenv(envPassword); text != "" {
		return secret.New(text), nil
	}
	return readPIN(os.Stdin, os.Stderr, r.User, false)
}

// ask does something with the server until it is done or Ctrl-C is pressed.
func (r *remote) ask(do func(context.Context, *client.Client) error) error {
	c, err := r.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return do(ctx, c)
}
