package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The blocks lie below the range that Linux hands out by itself (32768 and up),
// so that no outgoing connection of the machine takes a port between our look
// and the program's bind.
const (
	firstPort   = 10000
	lastPort    = 32000
	blockLength = 600
)

// Ports hands out ports of 127.0.0.1 that are free for UDP and TCP. It owns a
// block of them, and shows that to other labs on the same machine by listening
// on the block's first port. It may be used by several goroutines.
type Ports struct {
	claim net.Listener

	mu   sync.Mutex
	next int
	end  int
}

// ClaimPorts takes a block that no other lab holds.
func ClaimPorts() (*Ports, error) {
	blocks := (lastPort - firstPort) / blockLength
	for _, b := range rand.Perm(blocks) {
		base := firstPort + b*blockLength
		claim, err := listen(base)
		if err != nil {
			continue
		}
		return &Ports{claim: claim, next: base + 1, end: base + blockLength}, nil
	}
	return nil, fmt.Errorf("no free block of %d ports between %d and %d", blockLength, firstPort, lastPort)
}

// Release gives the block back.
func (p *Ports) Release() error {
	if err := p.claim.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("release the block of ports: %w", err)
	}
	return nil
}

// Take returns the first of n consecutive ports that are free now and that no
// other call of Take returns.
func (p *Ports) Take(n int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.next+n <= p.end {
		busy := firstBusy(p.next, n)
		if busy < 0 {
			first := p.next
			p.next += n
			return first, nil
		}
		p.next = busy + 1
	}
	return 0, fmt.Errorf("no %d free ports left in a block of %d", n, blockLength)
}

// firstBusy is the first port of [first, first+n) that is in use, or -1.
func firstBusy(first, n int) int {
	for port := first; port < first+n; port++ {
		if !isFree(port) {
			return port
		}
	}
	return -1
}

func isFree(port int) bool {
	tcp, err := listen(port)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", loopback(port))
	if err != nil {
		return false
	}
	return udp.Close() == nil
}

// listen takes a TCP port. It is done at once, so there is nothing to cancel.
func listen(port int) (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", loopback(port))
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
