package token

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode: whatever the file is, it is taken whole or refused; what is taken makes
// sense, and reads the same when it was written.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"", "{}", `{"tokens": null}`, `{"tokens": []}`, `{"tokens": [{}]}`,
		fmt.Sprintf(`{"tokens": [{"id": "a", "agent": "201", "scopes": ["calls:read"], "created": "2026-11-26T00:00:00Z", "sha256": "%064d"},
			{"id": "b", "scopes": ["calls:write", "admin"], "created": "2026-11-26T00:00:00+01:00", "expires": "2027-01-01T00:00:00.5Z", "note": "<&\u00e4", "sha256": "%064d"}]}`, 1, 2),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := decode(text)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.Agent == "" && !e.Scopes.Has(Admin) || e.Scopes&(CallsRead|CallsWrite) == 0 || e.Hash == (Hash{}) {
				t.Errorf("taken: %+v", e)
			}
		}
		written, err := encode(entries)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(written)
		sameTime := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
		if d := cmp.Diff(entries, again, sameTime); d != "" || err != nil {
			t.Errorf("%q is written as %q: %v\n%s", text, written, err, d)
		}
	})
}
