package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"callcontroller/test/bench/load"
)

// measured is one run of the load program against one server.
type measured struct {
	Server string  `json:"server"`
	Load   string  `json:"load"` // which
	Round  int     `json:"round"`
	CPU    float64 `json:"cpu_ms_a_call"` // of the server, user and system
	Loader float64 `json:"load_cpu_ms_a_call"`
	*load.Result
}

// settling is how long what a server does after its last call counts with the calls.
const settling = 500 * time.Millisecond

// measure runs a load and reads what the server used meanwhile.
func measure(ctx context.Context, s *server, phones *load.Phones, o load.Options) (*measured, error) {
	o.API = s.api(o.Flow)
	pids, err := family(s.process.PID())
	if err != nil {
		return nil, err
	}
	var r *load.Result
	own := self()
	used, err := spent(pids, func() error {
		r = phones.Run(ctx, o)
		own = self() - own
		return pause(ctx, settling)
	})
	if err != nil {
		return nil, err
	}
	if r.Completed == 0 {
		return nil, fmt.Errorf("%s: no call succeeds: %v", s.name, r.Reasons)
	}
	return &measured{Server: s.name, CPU: each(used, r.Completed), Loader: each(own, r.Completed), Result: r}, nil
}

func each(d time.Duration, n int) float64 {
	return float64(d) / float64(time.Millisecond) / float64(n)
}

// self is the CPU time of this process.
func self() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // cannot fail
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
