package policy_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"callcontroller/internal/policy"
)

// TestZ08LawsOfPatterns: however a number is written, what is denied stays denied, and a
// rule more that denies never allows more.
func TestZ08LawsOfPatterns(t *testing.T) {
	pattern := rapid.StringMatching(`[0-9+?]{1,4}\*?(@h\.test)?`)
	rapid.Check(t, func(t *rapid.T) {
		var d policy.Dial
		for range rapid.IntRange(0, 4).Draw(t, "allow") {
			d.Allow = append(d.Allow, parse(t, pattern.Draw(t, "pattern")))
		}
		for range rapid.IntRange(0, 4).Draw(t, "deny") {
			d.Deny = append(d.Deny, parse(t, pattern.Draw(t, "pattern")))
		}
		number := rapid.StringMatching(`\+?[0-9]{1,6}`).Draw(t, "number")
		host := rapid.SampledFrom([]string{"", "h.test", "H.TEST", "other.test"}).Draw(t, "host")
		allowed := allows(d, number, host)
		if allows(d, spread(t, number), host) != allowed {
			t.Errorf("separators make another number of %s", number)
		}
		d.Deny = append(d.Deny, parse(t, pattern.Draw(t, "one more")))
		if allows(d, number, host) && !allowed {
			t.Errorf("a rule that denies allows %s", number)
		}
	})
}

func parse(t *rapid.T, text string) policy.Pattern {
	p, err := policy.ParsePattern(text)
	if err != nil {
		t.Fatalf("%q %v", text, err)
	}
	return p
}

func allows(d policy.Dial, number, host string) bool {
	r := policy.New(policy.Config{Default: policy.Set{Called: d}})
	return r.CheckCalled("201", policy.Party{User: number, Host: host}) == nil
}

// spread puts separators between the digits.
func spread(t *rapid.T, number string) string {
	var b strings.Builder
	for _, c := range number {
		b.WriteString(rapid.SampledFrom([]string{"", "", "-", ".", "(", ")", "--"}).Draw(t, "separator"))
		b.WriteRune(c)
	}
	return b.String()
}

// FuzzPattern: what is taken can be written and read again, and fits itself.
func FuzzPattern(f *testing.F) {
	for _, text := range []string{"202", "2??", "00*", "*@partner.test", "+49-30*", "a.b@[::1]", "**"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.ParsePattern(text)
		if err != nil {
			return
		}
		if again, err := policy.ParsePattern(p.String()); err != nil || again != p {
			t.Errorf("%q becomes %+v, %v", text, again, err)
		}
		user, host, _ := strings.Cut(text, "@")
		r := policy.New(policy.Config{Default: policy.Set{Called: policy.Dial{Deny: []policy.Pattern{p}}}})
		if r.CheckCalled("201", policy.Party{User: user, Host: host}) == nil {
			t.Errorf("%q does not fit itself", text)
		}
	})
}
