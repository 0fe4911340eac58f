package dialog

import (
	"testing"

	"pgregory.net/rapid"
)

// TestLocalTag: a tag comes back from its text, and nothing else is taken for one.
func TestLocalTag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tag := LocalTag(rapid.Uint64().Draw(t, "tag"))
		if got, ok := parseLocalTag(tag.String()); !ok || got != tag {
			t.Fatalf("%s is read as %s, %t", tag, got, ok)
		}
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-fA-F]{15,17}`)).Draw(t, "text")
		if got, ok := parseLocalTag(text); ok && got.String() != text {
			t.Fatalf("%q is read as %s", text, got)
		}
	})
}
