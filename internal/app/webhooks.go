package app

import (
	"context"
	"fmt"
	"path/filepath"

	"callcontroller/internal/config"
	"callcontroller/internal/secret"
	"callcontroller/internal/webhook"
	"callcontroller/internal/webhook/signature"
)

// startWebhooks sends events to who is to be told of them.
func (a *App) startWebhooks(context.Context) error {
	if a.journal == nil || len(a.config.Webhooks.Endpoints) == 0 {
		return nil
	}
	hooks, err := Webhooks(a.config, a.options)
	if err != nil {
		return err
	}
	a.background("webhooks", func(ctx context.Context) { hooks.Run(ctx, a.journal) })
	return nil
}

// Webhooks gives the webhooks of a configuration that has been checked. They send what
// they find in the journal when they are run; the command line tries them without one.
func Webhooks(c *config.Config, o Options) (*webhook.Hooks, error) {
	w := webhook.Config{
		Rules: c.Webhooks.Outward(), Source: "sip:" + c.SIP.Domain, Version: o.Version, Log: o.Log,
		State: filepath.Join(c.Data, "webhooks.json"),
	}
	for _, e := range c.Webhooks.Endpoints {
		endpoint := webhook.Endpoint{Name: e.Name, URL: e.URL, Events: e.Events, Agents: e.Agents}
		texts := []secret.Text{e.Secret}
		if !e.Previous.IsEmpty() {
			texts = append(texts, e.Previous)
		}
		for _, text := range texts {
			s, err := signature.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("webhook %s: its secret %w", e.Name, err)
			}
			endpoint.Secrets = append(endpoint.Secrets, s)
		}
		w.Endpoints = append(w.Endpoints, endpoint)
	}
	return webhook.New(w)
}
