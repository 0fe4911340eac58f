package journal

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// step is the i-th entry of a run of calls of eight.
func step(i int, data, state []byte) Entry {
	return Entry{
		Call: "call-" + strconv.Itoa(i/8), Seq: uint64(i%8) + 1, Event: "call.ringing", Agent: "sip:anne@example.org",
		Final: i%8 == 7, Data: data, State: state,
	}
}

// BenchmarkAppend measures CPU time of the whole process for each entry of 450 bytes,
// at given rates: what an entry costs depends on how many come together.
func BenchmarkAppend(b *testing.B) {
	for _, rate := range []int{800, 2400, 8000, 16000, 0} {
		name := "as_fast_as_possible"
		if rate > 0 {
			name = fmt.Sprintf("%d_a_second", rate)
		}
		b.Run(name, func(b *testing.B) { benchmarkAppend(b, rate) })
	}
}

func benchmarkAppend(b *testing.B, rate int) {
	b.Helper()
	j, err := Open(b.Context(), Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close(context.Background())
	data, state := make([]byte, 200), make([]byte, 250)
	var stored sync.WaitGroup
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start, before := time.Now(), cpu()
	b.ResetTimer()
	for i := 0; i < b.N; {
		due := b.N
		if rate > 0 {
			<-tick.C
			due = min(b.N, int(time.Since(start).Seconds()*float64(rate)))
		}
		for ; i < due; i++ {
			stored.Add(1)
			for j.Append(step(i, data, state), func(Position, error) { stored.Done() }) != nil {
				<-tick.C // as fast as it goes
			}
		}
	}
	stored.Wait()
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/entry")
	b.ReportMetric(0, "ns/op")
}
