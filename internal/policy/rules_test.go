package policy_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callcontroller/internal/policy"
)

func patterns(t testing.TB, texts ...string) (list []policy.Pattern) {
	t.Helper()
	for _, text := range texts {
		p, err := policy.ParsePattern(text)
		if err != nil {
			t.Fatalf("%q %v", text, err)
		}
		list = append(list, p)
	}
	return list
}

func windows(t testing.TB, texts ...string) (list []policy.Window) {
	t.Helper()
	for _, text := range texts {
		w, err := policy.ParseWindow(text)
		if err != nil {
			t.Fatalf("%q %v", text, err)
		}
		list = append(list, w)
	}
	return list
}

// TestZ08TollFraud: numbers that cost, in every form in which they can be written.
func TestZ08TollFraud(t *testing.T) {
	r := policy.New(policy.Config{Default: policy.Set{Called: policy.Dial{Deny: patterns(t, "00*", "+*", "1900*", "0900*"), Allow: patterns(t, "00491*", "*")}}})
	for number, want := range map[string]bool{
		"202": true, "0012345": false, "+8812345": false, "190055": false, "1900": false, "190": true, "00": false, "alice": true, "0049123": true,
		"0-0-44": false, "(00)44": false, "1.900.55": false, "1-900-55": false, "-00-1": false, "+-1": false, "0(0)49-123": true,
		"*00": true, "#00": true,
	} {
		refusal := r.CheckCalled("201", policy.Party{User: number})
		if (refusal == nil) != want {
			t.Errorf("%s: %+v, want allowed %t", number, refusal, want)
		}
		if refusal != nil && (refusal.Limit || refusal.RetryAfter != 0 || !strings.HasPrefix(refusal.Rule, "policy.default.called.deny ") || !strings.Contains(refusal.Text, number)) {
			t.Errorf("%s: %+v", number, refusal)
		}
	}
}

// TestBestPatternDecides: the more a pattern says of a number, the more it counts.
func TestBestPatternDecides(t *testing.T) {
	for _, tt := range []struct {
		allow, deny string
		user, host  string
		want        bool
	}{
		{"", "", "202", "", true},
		{"2??", "", "202", "", true},
		{"2??", "", "2021", "", false},
		{"2??", "", "302", "", false},
		{"2*", "202", "202", "", false},
		{"202", "2*", "202", "", true},
		{"20?", "2*", "202", "", true},
		{"20*", "20?", "202", "", false},
		{"202", "202", "202", "", false},
		{"*@partner.test", "", "x", "partner.test", true},
		{"*@partner.test", "", "x", "", false},
		{"*", "*@partner.test", "x", "PARTNER.test", false},
		{"Alice", "", "aLICE", "", true},
		{"*72", "", "*72", "", true},
		{"*72", "", "5572", "", false},
		{"**", "", "*72", "", true},
		{"a.smith", "", "asmith", "", false},
		{"2.0-2", "", "202", "", true},
	} {
		var d policy.Dial
		if tt.allow != "" {
			d.Allow = patterns(t, tt.allow)
		}
		if tt.deny != "" {
			d.Deny = patterns(t, tt.deny)
		}
		r := policy.New(policy.Config{Users: map[string]*policy.Set{"201": {Calling: d}}})
		if got := r.CheckCalling("201", policy.Party{User: tt.user, Host: tt.host}) == nil; got != tt.want {
			t.Errorf("allow %q, deny %q: %s@%s is allowed: %t", tt.allow, tt.deny, tt.user, tt.host, got)
		}
		if r.CheckCalling("202", policy.Party{User: tt.user, Host: tt.host}) != nil {
			t.Error("the rules of one user hold for another")
		}
	}
}

func TestPatternsRefused(t *testing.T) {
	for _, text := range []string{"", "@h", "a b", "sip:2", "<2>", "a@h:5060", "a@", "a@b@c", "2;x", `2\`} {
		if p, err := policy.ParsePattern(text); err == nil {
			t.Errorf("%q is taken as %+v", text, p)
		}
	}
	for _, text := range []string{"", "Mon", "Mon-Fri", "Mon 7:00-8:00", "Mo 07:00-08:00", "07:00-07:00", "24:00-08:00", "07:00-24:01", "07:60-08:00", "Mon 07:00", "Mon Tue 07:00-08:00", "Mon-Foo 07:00-08:00"} {
		if w, err := policy.ParseWindow(text); err == nil {
			t.Errorf("%q is taken as %+v", text, w)
		}
	}
}

// TestZ08Hours: inside and outside, over midnight, over the end of the week, and on the
// two days on which clocks change.
func TestZ08Hours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		window, at string // local time
		want       bool
		after      time.Duration
	}{
		{"Mon-Fri 07:00-20:00", "2026-11-26 07:00", true, 0},
		{"Mon-Fri 07:00-20:00", "2026-11-26 06:59", false, time.Minute},
		{"Mon-Fri 07:00-20:00", "2026-11-26 20:00", false, 11 * time.Hour},
		{"Mon-Fri 07:00-20:00", "2026-11-27 20:00", false, 59 * time.Hour},
		{"Sat-Mon 07:00-20:00", "2026-11-29 08:00", true, 0},
		{"22:00-06:00", "2026-11-26 23:00", true, 0},
		{"22:00-06:00", "2026-11-26 05:59", true, 0},
		{"22:00-06:00", "2026-11-26 06:00", false, 16 * time.Hour},
		{"Sat 22:00-06:00", "2026-11-29 05:00", true, 0},
		{"Sat 22:00-06:00", "2026-11-28 05:00", false, 17 * time.Hour},
		{"Fri 18:00-24:00", "2026-11-27 23:59", true, 0},
		{"Fri 18:00-24:00", "2026-11-28 00:00", false, (6*24 + 18) * time.Hour},
		{"08:00-09:00", "2026-03-29 01:30", false, 5*time.Hour + 30*time.Minute}, // an hour is left out at night
		{"08:00-09:00", "2026-10-25 01:30", false, 7*time.Hour + 30*time.Minute}, // an hour comes twice
	} {
		synctest.Test(t, func(t *testing.T) {
			at, err := time.ParseInLocation("2006-01-02 15:04", tt.at, berlin)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(at))
			r := policy.New(policy.Config{Default: policy.Set{Hours: windows(t, tt.window)}, Zone: berlin})
			refusal := r.CheckHours("201")
			if (refusal == nil) != tt.want || refusal != nil && (refusal.RetryAfter != tt.after || refusal.Rule != "policy.default.hours" || refusal.Limit) {
				t.Errorf("%s at %s: %+v, want %t, %s", tt.window, tt.at, refusal, tt.want, tt.after)
			}
		})
	}
}

// over is a call.
type over bool

func (o *over) Over() bool { return bool(*o) }

// TestZ08Limits: so many a minute, so many at once, so many a day, each for one user.
func TestZ08Limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := policy.New(policy.Config{Default: policy.Set{PerMinute: 30, AtOnce: 40, PerDay: 70}, Zone: time.UTC})
		calls := map[string][]*over{}
		take := func(user string) *policy.Refusal {
			refusal := r.Take(user)
			if refusal == nil {
				call := new(over)
				calls[user] = append(calls[user], call)
				r.Began(user, call)
			}
			return refusal
		}
		want := func(user, rule string, after time.Duration) {
			t.Helper()
			got := take(user)
			if rule == "" && got != nil || rule != "" && (got == nil || got.Rule != "policy.default."+rule || got.RetryAfter != after || !got.Limit) {
				t.Errorf("%s: %+v, want %q after %s", user, got, rule, after)
			}
		}
		for range 30 {
			want("201", "", 0)
		}
		time.Sleep(10 * time.Second)
		want("201", "calls_per_minute", 50*time.Second)
		want("202", "", 0)
		time.Sleep(50 * time.Second)
		for range 10 {
			want("201", "", 0)
		}
		want("201", "calls_at_once", 0)
		for _, c := range calls["201"] {
			*c = true
		}
		for range 20 {
			want("201", "", 0)
		}
		time.Sleep(time.Minute)
		for _, c := range calls["201"] {
			*c = true
		}
		for range 10 {
			want("201", "", 0)
		}
		want("201", "calls_per_day", 24*time.Hour-2*time.Minute)
		time.Sleep(24*time.Hour - 2*time.Minute)
		want("201", "", 0)
		r.Replace(policy.Config{Default: policy.Set{PerMinute: 1}, Zone: time.UTC})
		want("201", "calls_per_minute", time.Minute)
	})
}

func BenchmarkAllowed(b *testing.B) {
	r := policy.New(policy.Config{Default: policy.Set{Called: policy.Dial{Deny: patterns(b, "00*", "+*", "1900*"), Allow: patterns(b, "2??", "0*")}, PerMinute: 1 << 30, Hours: windows(b, "00:00-24:00")}})
	b.ReportAllocs()
	for b.Loop() {
		if r.CheckCalling("201", policy.Party{User: "201"}) != nil || r.CheckCalled("201", policy.Party{User: "0301234567"}) != nil || r.CheckHours("201") != nil {
			b.Fatal("refused")
		}
	}
}
