package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"callcontroller/internal/app"
	"callcontroller/internal/config"
	"callcontroller/internal/webhook"
)

// webhooks has the commands that look after webhooks.
type webhooks struct {
	List webhookList `cmd:"" help:"List the webhooks, and which of them are disabled."`
	Test webhookTest `cmd:"" help:"Send one signed test event to a webhook and print the answer."`
}

func loadWebhooks(f *configFlags) (*config.Config, *webhook.Hooks, error) {
	cfg, err := f.loadBy(config.LoadWithoutUsers)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration:\n%w", err)
	}
	if len(cfg.Webhooks.Endpoints) == 0 {
		return nil, nil, errors.New("the configuration has no webhooks.endpoints")
	}
	h, err := app.Webhooks(cfg, app.Options{Version: version, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	return cfg, h, err
}

type webhookList struct {
	configFlags
}

// Run implements the command. The path of a URL is left out: with some services it is a
// secret.
func (c *webhookList) Run(out io.Writer) error {
	cfg, hooks, err := loadWebhooks(&c.configFlags)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSERVER\tEVENTS\tAGENTS\tSTATE")
	for _, e := range cfg.Webhooks.Endpoints {
		state := "enabled"
		if at := hooks.Disabled(e.Name); !at.IsZero() {
			state = "disabled since " + at.Format(time.RFC3339) + " (410 Gone)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Name, server(e.URL), allOr(e.Events), allOr(e.Agents), state)
	}
	return w.Flush()
}

func server(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func allOr(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(list, ",")
}

type webhookTest struct {
	configFlags

	Name string `arg:"" help:"The webhook's name."`
}

// Run implements the command. What the server answers is quoted: it may hold anything.
func (c *webhookTest) Run(out io.Writer) error {
	_, hooks, err := loadWebhooks(&c.configFlags)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	start := time.Now()
	a, err := hooks.Test(ctx, c.Name)
	if err != nil {
		return fmt.Errorf("webhook %s: %w", c.Name, err)
	}
	fmt.Fprintf(out, "answered %d %s after %d ms\n", a.Status, http.StatusText(a.Status), time.Since(start).Milliseconds())
	if len(a.Body) > 0 {
		fmt.Fprintln(out, strconv.Quote(string(a.Body[:min(len(a.Body), 1000)])))
	}
	if a.Status < 200 || a.Status > 299 {
		return errors.New("only an answer of 200 to 299 says that an event was taken")
	}
	return nil
}
