package v1

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// OpenAPI is the document with its schemas.
func OpenAPI() *huma.OpenAPI { return (&handler{mux: http.NewServeMux()}).register() }
