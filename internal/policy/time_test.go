package policy

import (
	"fmt"
	"testing"
	"time"

	"muster/internal/posture"
)

func TestNextChange(t *testing.T) {
	old := now.Add(-2*day - 7*time.Hour)
	for _, tc := range []struct {
		name   string
		policy *Policy
		change func(*posture.Report)
		want   time.Time
	}{
		{"definitions will be too old", Default(), definitions(old), old.Add(3*day + tick)},
		{"with a finer date than is stored", Default(), definitions(old.Add(300 * time.Microsecond)), old.Add(3*day + tick)},
		{"exactly 3 days old", Default(), definitions(now.Add(-3 * day)), now.Add(tick)},
		{"too old already", Default(), definitions(now.Add(-3*day - tick)), time.Time{}},
		{"not known", Default(), definitions(time.Time{}), time.Time{}},
		{"a date of the future", Default(), definitions(now.Add(5 * day)), now.Add(4 * day)},
		{"a finer date of the future", Default(), definitions(now.Add(5*day - time.Microsecond)), now.Add(4 * day)},
		{"within clock skew", Default(), definitions(now.Add(time.Hour)), now.Add(3*day + time.Hour + tick)},
		{"check is off", only(Check{ID: "screen_lock"}), nil, time.Time{}},
		{"hidden behind a product that passes longer", Default(), func(r *posture.Report) {
			definitions(old)(r)
			second := *app(r, posture.Antimalware)
			second.Definitions = now
			r.Applications = append(r.Applications, second)
		}, now.Add(3*day + tick)},
		{"a future date hidden until it is too old", Default(), func(r *posture.Report) {
			definitions(now)(r)
			second := *app(r, posture.Antimalware)
			second.Definitions = now.Add(2 * day)
			r.Applications = append(r.Applications, second)
		}, now.Add(5*day + tick)},
		{"not running anyway", Default(), func(r *posture.Report) {
			definitions(old)(r)
			app(r, posture.Antimalware).Running = posture.No
		}, time.Time{}},
		{"a threat that was removed", only(Check{ID: "threats", Within: Duration(3 * day)}), func(r *posture.Report) {
			r.Threats = []posture.Threat{{Name: "T", Found: now.Add(-day), Existing: posture.No}}
			r.ThreatsScanned = now
		}, now.Add(2*day + tick)},
		{"a patch that has time", only(Check{ID: "missing_patches", PatchAge: Duration(3 * day)}), func(r *posture.Report) {
			r.PatchesKnown, r.MissingPatches = true, []posture.Patch{{KB: "K", Released: now.Add(-day)}}
		}, now.Add(2*day + tick)},
		{"list of updates", only(Check{ID: "os_security_updates", MaxAge: Duration(day)}), nil, now.Add(23*time.Hour + tick)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := windowsLaptop()
			if tc.change != nil {
				tc.change(r)
			}
			v := Evaluate(tc.policy, r, now)
			if !v.NextChange.Equal(tc.want) {
				t.Fatalf("next change %v, want %v", v.NextChange, tc.want)
			}
			if !tc.want.IsZero() {
				turnsExactly(t, tc.policy, r, v)
			}
		})
	}
}

// turnsExactly checks that the verdict stays until NextChange and is another from then on.
func turnsExactly(t *testing.T, p *Policy, r *posture.Report, v posture.Verdict) {
	t.Helper()
	before := Evaluate(p, r, v.NextChange.Add(-tick))
	if checksOf(before.Issues) != checksOf(v.Issues) || !before.NextChange.Equal(v.NextChange) {
		t.Errorf("just before: %s, next %v", checksOf(before.Issues), before.NextChange)
	}
	// Between two ticks the earlier one counts.
	if v := Evaluate(p, r, v.NextChange.Add(-time.Nanosecond)); checksOf(v.Issues) != checksOf(before.Issues) {
		t.Errorf("a nanosecond before: %s", checksOf(v.Issues))
	}
	at := Evaluate(p, r, v.NextChange)
	if checksOf(at.Issues) == checksOf(v.Issues) {
		t.Errorf("at the change: still %q", checksOf(at.Issues))
	}
	if !at.NextChange.IsZero() && !at.NextChange.After(v.NextChange) {
		t.Errorf("the next change after %v is %v", v.NextChange, at.NextChange)
	}
}

// Evidence must not mention ages: it would change with every judgement of an unchanged report.
func TestVerdictStaysTheSameBetweenChanges(t *testing.T) {
	r := windowsLaptop()
	definitions(now.Add(-30 * day))(r)
	a, b := Evaluate(Default(), r, now), Evaluate(Default(), r, now.Add(40*day))
	if !same(a.Issues, b.Issues) || len(a.Issues) != 1 {
		t.Errorf("issues of an unchanged report differ:\n%v\n%v", a.Issues, b.Issues)
	}
}

// Many products that turn at one moment are one turn.
func TestNextChangeCountsMomentsOnce(t *testing.T) {
	r := windowsLaptop()
	for range 2 * maxTurns {
		r.Applications = append(r.Applications, posture.Application{Name: "AV", Category: posture.Antimalware,
			Running: posture.Yes, Enabled: posture.Yes, Definitions: now.Add(-day)})
	}
	if v := Evaluate(Default(), r, now); !v.NextChange.Equal(now.Add(60*time.Hour + tick)) {
		t.Errorf("next change %v", v.NextChange)
	}
}

// Very many dated products must not cost very many judgements; looking again too early is allowed, too late is not.
func TestNextChangeIsBounded(t *testing.T) {
	r := windowsLaptop()
	for i := range 1000 {
		r.Applications = append(r.Applications, posture.Application{Name: fmt.Sprintf("AV %d", i), Category: posture.Antimalware,
			Running: posture.Yes, Enabled: posture.Yes, Definitions: now.Add(-time.Duration(i+1) * time.Minute)})
	}
	app(r, posture.Antimalware).Definitions = now
	v := Evaluate(Default(), r, now)
	if !v.NextChange.After(now) || !v.NextChange.Before(now.Add(3*day)) {
		t.Errorf("next change %v, want an early look before %v", v.NextChange, now.Add(3*day))
	}
}
