package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPage holds docs/flows.md against a run. After a wanted change: make flows.
func TestPage(t *testing.T) {
	want, err := os.ReadFile("../../docs/flows.md")
	if err != nil {
		t.Fatal(err)
	}
	got, err := page(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/flows.md is not what a run gives (-page +run); see make flows:\n%s", diff)
	}
}
