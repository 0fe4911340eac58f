package journal_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"callcontroller/internal/journal/journaltest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "12") // they wait for each other's stores, not for the processor
	goleak.VerifyTestMain(m)
}

func TestConformanceEmbedded(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, journaltest.Embedded)
}

func TestConformanceExternal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, journaltest.External)
}
