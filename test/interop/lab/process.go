package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a program may take to end after SIGTERM.
const stopGrace = 3 * time.Second

// Processes starts programs that end with this one, however it ends: each is a
// process group of its own, which Stop ends, and each asks the kernel for a
// signal when its parent dies. The kernel sends that signal when the thread that
// started the program ends, so one goroutine starts them all and keeps its
// thread.
type Processes struct {
	jobs chan func()
	done chan struct{}

	mu      sync.Mutex
	running map[*Process]struct{}
}

// NewProcesses starts the goroutine that starts programs.
func NewProcesses() *Processes {
	ps := &Processes{jobs: make(chan func()), done: make(chan struct{}), running: make(map[*Process]struct{})}
	go ps.run()
	return ps
}

func (ps *Processes) run() {
	runtime.LockOSThread()
	defer close(ps.done)
	for job := range ps.jobs {
		job()
	}
}

// Close stops every program that still runs. Start must not be called after it.
func (ps *Processes) Close() {
	ps.mu.Lock()
	running := make([]*Process, 0, len(ps.running))
	for p := range ps.running {
		running = append(running, p)
	}
	ps.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range running {
		wg.Go(p.Stop)
	}
	wg.Wait()
	close(ps.jobs)
	<-ps.done
}

// Spec says what to run. Everything that the program prints goes to Log.
type Spec struct {
	Log  string // file, truncated first
	Dir  string // working directory
	Env  []string
	Args []string // the program and its arguments

	// OrphanSignal is what the program gets when this process dies; SIGKILL when
	// zero. A program with children of its own wants SIGTERM.
	OrphanSignal syscall.Signal
	// Input gives the program a pipe as its standard input, for Process.Write.
	Input bool
}

// Process is a program that was started.
type Process struct {
	log   string
	cmd   *exec.Cmd
	input io.WriteCloser
	ended chan struct{}
}

// Start runs a program.
func (ps *Processes) Start(s Spec) (*Process, error) {
	out, err := os.Create(s.Log)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", filepath.Base(s.Args[0]), err)
	}
	defer out.Close() // the program has its own copy
	p := &Process{log: s.Log, cmd: command(s, out), ended: make(chan struct{})}
	if s.Input {
		if p.input, err = p.cmd.StdinPipe(); err != nil {
			return nil, fmt.Errorf("open the input of %s: %w", s.Args[0], err)
		}
	}
	started := make(chan error, 1)
	ps.jobs <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Args[0], err)
	}
	ps.mu.Lock()
	ps.running[p] = struct{}{}
	ps.mu.Unlock()
	go ps.wait(p)
	return p, nil
}

func command(s Spec, out *os.File) *exec.Cmd {
	// Stop ends it, no context does.
	cmd := exec.CommandContext(context.Background(), s.Args[0], s.Args[1:]...) //nolint:gosec // the tests say what to run
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	orphan := s.OrphanSignal
	if orphan == 0 {
		orphan = syscall.SIGKILL
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphan}
	return cmd
}

func (ps *Processes) wait(p *Process) {
	// The error is in p.cmd.ProcessState; ExitCode gives it.
	_ = p.cmd.Wait()
	ps.mu.Lock()
	delete(ps.running, p)
	ps.mu.Unlock()
	close(p.ended)
}

// Log is the file with what the program prints.
func (p *Process) Log() string { return p.log }

// PID is the program's process number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err is nil as long as the program runs, then an ErrEnded with its status.
func (p *Process) Err() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s: %w: %v", filepath.Base(p.cmd.Path), ErrEnded, p.cmd.ProcessState)
	default:
		return nil
	}
}

// ExitCode is the program's exit status once Ended is closed, -1 when a signal
// ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Signal sends a signal to the program alone, not to its children.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to process %d: %w", s, p.cmd.Process.Pid, err)
	}
	return nil
}

// Write sends a line to the program's standard input.
func (p *Process) Write(line string) error {
	if _, err := io.WriteString(p.input, line+"\n"); err != nil {
		return fmt.Errorf("write %q to process %d: %w", line, p.cmd.Process.Pid, err)
	}
	return nil
}

// Stop ends the program and its children, by SIGTERM, then by SIGKILL. A program
// that has ended already may have left children, so the last signal always goes.
func (p *Process) Stop() {
	group := -p.cmd.Process.Pid
	if p.Err() == nil {
		_ = syscall.Kill(group, syscall.SIGTERM) // an error means that it has ended
		select {
		case <-p.ended:
		case <-time.After(stopGrace):
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.ended
}
