package crash

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"callcontroller/api"
	"callcontroller/internal/journal/journaltest"
)

// TestX16StoreAway: nats-server ends, or stops to answer. Calls that run go on, new ones
// are refused until it is back, and then nothing is missing, also after a crash.
func TestX16StoreAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string][2]func(*journaltest.Server){
		"killed":  {(*journaltest.Server).Kill, (*journaltest.Server).Start},
		"stopped": {(*journaltest.Server).Halt, (*journaltest.Server).Continue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := journaltest.StartServer(t)
			w := newWorld(t, keeping{NATS: store.URL()})
			w.outage(func() { away[0](store) }, func() { away[1](store) })
		})
	}
}

// TestX16DiskFull: the disk of the journal is full, and then has room again.
func TestX16DiskFull(t *testing.T) {
	t.Parallel()
	data := smallDisk(t)
	w := newWorld(t, keeping{Data: data})
	filler := filepath.Join(data, "filler")
	w.outage(func() { w.fill(filler) }, func() {
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
	})
}

// smallDisk mounts one of 32 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m,mode=0700")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root may mount a small disk:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on the disk.
func (w *world) fill(path string) {
	w.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// outage has the store of the journal go and come back.
func (w *world) outage(goes, comes func()) {
	w.Helper()
	id := w.connect()
	goes()
	w.within(func() error { // What is small may find room where there is none for more.
		w.do("/v1/calls/"+id+"/hold", "{}")
		w.within(func() error { return w.settled(id) })
		return w.refusesNewCalls()
	})
	w.within(func() error { return w.connected(id) })
	w.sandbox.Phone("202").HangUp()
	w.within(func() error { return w.onHook("201", "202") })
	comes()
	w.within(w.ready)
	w.within(func() error { return w.told(id, api.CallEnded) })
	again := w.connect()
	w.kill()
	w.serve()
	w.within(func() error { return w.told(id, api.CallEnded) })
	w.within(func() error { return w.connected(again) })
	if c, err := w.call(id); err != nil || c.Outcome == nil || c.Outcome.Result != "completed" || c.Outcome.EndedBy != "callee" {
		w.Errorf("after a crash the call is %+v, %v", c, err)
	}
}

// refusesNewCalls wants both interfaces to refuse calls, and the server to say why.
func (w *world) refusesNewCalls() error {
	if got, err := w.ask(http.MethodGet, "/readyz", ""); err != nil || got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "journal") {
		return fmt.Errorf("/readyz: %d %s (%w)", got.status, got.body, err)
	}
	for _, path := range []string{"/v1/calls", "/callcontroller/201/202?agent=201"} {
		body := ""
		if path == "/v1/calls" {
			body = `{"caller":"203","callee":"202","agent":"201"}`
		}
		got, err := w.ask(http.MethodPost, path, body)
		if err != nil || got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "journal") {
			return fmt.Errorf("%s: %d %s (%w)", path, got.status, got.body, err)
		}
	}
	return nil
}

func (w *world) ready() error {
	if got, err := w.ask(http.MethodGet, "/readyz", ""); err != nil || got.status != http.StatusOK {
		return fmt.Errorf("/readyz: %d %s (%w)", got.status, got.body, err)
	}
	return nil
}

// told wants the events of a call to be 1, 2, 3, up to one of that type.
func (w *world) told(id, last string) error {
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "http://"+w.http+"/v1/calls/"+id+"/events", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in, seq := bufio.NewReader(resp.Body), uint64(0)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the events of the call end after %d, without %s", seq, last)
		}
		if err != nil {
			return fmt.Errorf("behind event %d of call %s, waiting for %s: %w", seq, id, last, err)
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e api.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Seq != seq+1 {
			w.Fatalf("behind event %d comes %s (%v)", seq, data, err)
		}
		if seq = e.Seq; e.Type == last {
			return nil
		}
	}
}

// TestX16NotRequired: with journal.required off calls are placed without the store, and the
// server ends in time, though the store takes nothing: the next process brings there what
// became of the call that it knows.
func TestX16NotRequired(t *testing.T) {
	t.Parallel()
	store := journaltest.StartServer(t)
	w := newWorld(t, keeping{NATS: store.URL(), Optional: true})
	id := w.connect()
	store.Kill()
	w.sandbox.Phone("202").HangUp()
	w.within(func() error { return w.onHook("201", "202") })
	w.connectUntold()
	w.sandbox.Phone("202").HangUp()
	w.within(func() error { return w.onHook("201", "202") })
	if code := w.terminate(); code != 0 {
		t.Errorf("it has ended with status %d", code)
	}
	store.Start()
	w.serve()
	w.within(func() error { return w.told(id, api.CallEnded) })
}
