package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"callcontroller/internal/config"
	"callcontroller/internal/token"
)

type tokenList struct {
	configFlags

	Output string `short:"o" enum:"text,json" default:"text" help:"Form of the list: text or json."`
}

// Run implements the command. It reads no users, as revoke does not.
func (c *tokenList) Run(out io.Writer) error {
	cfg, err := c.loadBy(config.LoadWithoutUsers)
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	list, err := token.List(cfg.TokensFile())
	if err != nil {
		return err
	}
	if c.Output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(list)
	}
	return printTokens(out, list)
}

func printTokens(out io.Writer, list []token.Token) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tAGENT\tSCOPES\tCREATED\tEXPIRY\tNOTE")
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, agentShown(t), t.Scopes, t.Created.Format(time.DateOnly), expiryShown(t, time.Now()), t.Note)
	}
	return w.Flush()
}
