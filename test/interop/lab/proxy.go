package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ProxyGivesUp is how long the proxy waits for the first response of a phone
// before it answers 408.
const ProxyGivesUp = 5 * time.Second

// Proxy is the running Kamailio. Each request that it gets is a line of its log.
type Proxy struct {
	port    int
	process *Process
}

func startProxy(ctx context.Context, procs *Processes, ports *Ports, dir string) (*Proxy, error) {
	port, err := ports.Take(1)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of the proxy: %w", err)
	}
	config := filepath.Join(dir, "kamailio.cfg")
	if err := writeFile(config, "kamailio.cfg.tmpl", map[string]any{
		"Port": port, "Domain": Domain, "Controller": ControllerUser, "GiveUp": ProxyGivesUp.Milliseconds(),
	}); err != nil {
		return nil, err
	}
	program, err := findProgram("kamailio")
	if err != nil {
		return nil, err
	}
	process, err := procs.Start(Spec{
		Log: filepath.Join(dir, "kamailio.log"), Dir: dir, OrphanSignal: syscall.SIGTERM,
		Args: []string{program, "-f", config, "-DD", "-E", "-m", "64", "-M", "8", "-w", dir, "-Y", dir},
	})
	if err != nil {
		return nil, err
	}
	p := &Proxy{port: port, process: process}
	return p, p.waitUp(ctx)
}

func (p *Proxy) waitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := Poll(ctx, func() error {
		if err := p.process.Err(); err != nil {
			return err
		}
		return p.call(ctx, nil, "core.uptime")
	})
	if err != nil {
		p.process.Stop()
		return fmt.Errorf("wait for kamailio: %w\n%s", err, TailFrom(p.process.Log(), 0))
	}
	return nil
}

// Address is the host and port where the proxy listens, UDP and TCP.
func (p *Proxy) Address() string { return loopback(p.port) }

// Log is the file with a line for each request and each response.
func (p *Proxy) Log() string { return p.process.Log() }

// StayInPath makes the proxy add Record-Route from now on, so that requests
// inside a dialog pass through it (and a REFER is challenged there).
func (p *Proxy) StayInPath(ctx context.Context) error {
	return p.call(ctx, nil, "htable.seti", "switch", "record_route", 1)
}

// LeavePath makes the proxy add no Record-Route from now on.
func (p *Proxy) LeavePath(ctx context.Context) error {
	return p.call(ctx, nil, "htable.seti", "switch", "record_route", 0)
}

// enroll enters a phone that cannot register itself.
func (p *Proxy) enroll(ctx context.Context, user, contact string) error {
	return p.call(ctx, nil, "ul.add", "location", user, contact, 0, 1.0, ".", 0, 0, 16383)
}

// forget removes what is registered for a user.
func (p *Proxy) forget(ctx context.Context, user string) error {
	err := p.call(ctx, nil, "ul.rm", "location", user)
	if failed := new(rpcError); errors.As(err, &failed) && failed.Code == http.StatusNotFound {
		return nil
	}
	return err
}

// waitRegistered waits until every one of users has a contact.
func (p *Proxy) waitRegistered(ctx context.Context, users []string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return Poll(ctx, func() error {
		have, err := p.registered(ctx)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(users), func(u string) bool { return slices.Contains(have, u) })
		if len(missing) > 0 {
			return fmt.Errorf("not registered: %s", strings.Join(missing, ", "))
		}
		return nil
	})
}

// registered lists the users with a contact, in no order.
func (p *Proxy) registered(ctx context.Context) ([]string, error) {
	var dump struct {
		Domains []struct {
			Domain struct {
				AoRs []struct {
					Info struct {
						AoR string
					}
				}
			}
		}
	}
	if err := p.call(ctx, &dump, "ul.dump"); err != nil {
		return nil, err
	}
	var users []string
	for _, d := range dump.Domains {
		for _, a := range d.Domain.AoRs {
			users = append(users, a.Info.AoR)
		}
	}
	return users, nil
}

// rpcError is Kamailio's answer to a call that it could not do.
type rpcError struct {
	Code    int
	Message string
}

func (e *rpcError) Error() string { return fmt.Sprintf("kamailio answers %d %s", e.Code, e.Message) }

// call runs a JSON-RPC method of Kamailio; result may be nil.
func (p *Proxy) call(ctx context.Context, result any, method string, params ...any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": append([]any{}, params...)})
	if err != nil {
		return fmt.Errorf("kamailio %s: %w", method, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.Address()+"/RPC", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("kamailio %s: %w", method, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("kamailio %s: %w", method, err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *rpcError
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("kamailio %s: read the answer: %w", method, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("kamailio %s: %w", method, answer.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("kamailio %s: read the result: %w", method, err)
	}
	return nil
}
