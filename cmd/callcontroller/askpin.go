package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"callcontroller/internal/secret"
)

// readPIN asks at a terminal, twice for a new PIN, and does not show what is typed. From
// anything else it takes one line, so that a script can pipe it in. It is never an
// argument: those can be read by everybody on the machine.
func readPIN(in *os.File, prompt io.Writer, name string, isNew bool) (secret.Text, error) {
	if !term.IsTerminal(int(in.Fd())) {
		return readLine(in, "PIN")
	}
	first, err := typed(in, prompt, "PIN of "+name+": ")
	if err != nil || !isNew {
		return first, err
	}
	second, err := typed(in, prompt, "once more: ")
	if err == nil && !first.Equal(second) {
		err = errors.New("the two are not the same: nothing was changed")
	}
	return first, err
}

func typed(in *os.File, prompt io.Writer, text string) (secret.Text, error) {
	fmt.Fprint(prompt, text)
	line, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(prompt)
	return secret.New(string(line)), err
}

// readToken asks for a token as readPIN does.
func readToken(in *os.File, prompt io.Writer) (secret.Text, error) {
	if !term.IsTerminal(int(in.Fd())) {
		return readLine(in, "token")
	}
	return typed(in, prompt, "token: ")
}

var (
	errNoLine   = errors.New("is empty")
	errTwoLines = errors.New("has more than one line")
)

// readLine reads what was piped in; what says in errors what ought to be in it.
func readLine(in io.Reader, what string) (secret.Text, error) {
	text, err := oneLine(in)
	switch {
	case errors.Is(err, errNoLine):
		err = fmt.Errorf("no %s came on standard input: pipe it in, or call this on a terminal", what)
	case errors.Is(err, errTwoLines):
		err = fmt.Errorf("more than one line came on standard input: it must be the %s alone", what)
	case err != nil:
		err = fmt.Errorf("read the %s: %w", what, err)
	}
	return text, err
}

// readSecret reads a file that has a PIN or token on its only line.
func readSecret(name string) (secret.Text, error) {
	f, err := os.Open(name)
	if err != nil {
		return secret.Text{}, err
	}
	defer f.Close()
	text, err := oneLine(f)
	if err != nil {
		return secret.Text{}, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// oneLine reads what has one line, of 1024 bytes at most.
func oneLine(in io.Reader) (secret.Text, error) {
	const longest = 1024
	b, err := io.ReadAll(io.LimitReader(in, longest+1))
	if err != nil {
		return secret.Text{}, err
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case line == "":
		return secret.Text{}, errNoLine
	case len(b) > longest || strings.Contains(line, "\n"):
		return secret.Text{}, errTwoLines
	}
	return secret.New(line), nil
}
