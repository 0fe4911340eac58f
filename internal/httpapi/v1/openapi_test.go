package v1_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	v1 "callcontroller/internal/httpapi/v1"
)

var update = flag.Bool("update", false, "write api/openapi.yaml anew")

// TestOpenAPIFile holds the document in the repository to what the code says.
func TestOpenAPIFile(t *testing.T) {
	got, err := v1.OpenAPI().YAML()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "..", "api", "openapi.yaml")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("api/openapi.yaml is not what the code says (%v); go test ./internal/httpapi/v1 -run OpenAPIFile -update writes it anew", err)
	}
}
