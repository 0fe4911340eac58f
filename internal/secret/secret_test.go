package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"callcontroller/internal/secret"
)

const hidden = "geheim-1234"

type open struct {
	PIN secret.Text
}

type closed struct {
	pin secret.Text
}

type deep struct {
	list []closed
	byID map[string]*open
}

// Row Z20: whatever a value is printed with, and however deep the secret lies in
// it, the text does not come out.
func TestZ20PrintingNeverRevealsASecret(t *testing.T) {
	pin := secret.New(hidden)
	values := map[string]any{
		"value":             pin,
		"pointer":           &pin,
		"exported field":    open{pin},
		"unexported field":  closed{pin},
		"pointer to struct": &closed{pin},
		"nested":            deep{[]closed{{pin}}, map[string]*open{"a": {pin}}},
		"slice":             []secret.Text{pin},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			for _, out := range printed(t, value) {
				if strings.Contains(out, hidden) || strings.Contains(out, fmt.Sprintf("%x", hidden)) {
					t.Errorf("the secret came out: %s", out)
				}
			}
		})
	}
}

func printed(t *testing.T, value any) []string {
	t.Helper()
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10v", "% x"} {
		out = append(out, fmt.Sprintf(verb, value))
	}
	out = append(out, fmt.Sprint(value), fmt.Errorf("wrapped: %v", value).Error())
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "value", value)
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, log.String(), string(asJSON), string(asYAML))
}

func TestMaskHasOneForm(t *testing.T) {
	pin, none := secret.New(hidden), secret.Text{}
	xmlText, err := xml.Marshal(open{pin})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ got, want string }{
		{fmt.Sprintf("%v|%s|%+v|%q|%#v", pin, pin, pin, pin, pin), `***|***|***|"***"|"***"`},
		{fmt.Sprintf("%v|%s|%+v|%q|%#v", none, none, none, none, none), `|||""|""`},
		{pin.LogValue().String(), "***"},
		{string(xmlText), "<open><PIN>***</PIN></open>"},
		{pin.Reveal(), hidden},
		{none.Reveal(), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"1234", "1234", true},
		{"1234", "1235", false},
		{"1234", "12345", false},
		{"", "1234", false},
		{"", "", true},
	} {
		if got := secret.New(tt.a).Equal(secret.New(tt.b)); got != tt.want {
			t.Errorf("%q and %q: equal is %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
	if !secret.New("").IsEmpty() || secret.New("x").IsEmpty() {
		t.Error("IsEmpty is wrong")
	}
}
