package vuln

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/posture"
)

// Whatever is found on a machine is among what its products may have.
func TestMayHaveNamesAllThatIsFound(t *testing.T) {
	c := load(t)
	known := func(k Key) *Group { return c.groups[k] }
	var all []Key
	for k := range c.groups {
		all = append(all, k)
	}
	slices.SortFunc(all, Key.Compare)
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(all).Draw(t, "key")
		os := posture.OS{Family: rapid.SampledFrom([]posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux}).Draw(t, "family")}
		app := posture.Application{Name: k.Name, Version: rapid.SampledFrom([]string{"1", "9.0", "115.0.1", "1:9.2p1-2"}).Draw(t, "version")}
		if !isApplication(k.Space) {
			app.Ecosystem = k.Space
		} else if rapid.Bool().Draw(t, "vendor") {
			app.Vendor = "Mozilla Corporation"
		}
		if isApplication(k.Space) && rapid.Bool().Draw(t, "version in the name") {
			app.Name += " 8.0.1"
		}
		if app.Ecosystem != "" && rapid.Bool().Draw(t, "source") {
			app.SourceVersion = rapid.SampledFrom([]string{"1", "0.1"}).Draw(t, "source version")
		}
		var lookups []Lookup
		keys, other := KeysOfApplication(&os, &app)
		for _, k := range keys {
			lookups = append(lookups, Lookup{k, other})
		}
		may := MayHave(lookups, app.Vendor, app.Version, known)
		for _, h := range Take(&posture.Report{OS: os, Applications: []posture.Application{app}}).Match(known) {
			found++
			for _, cve := range h.CVEs() {
				if !slices.Contains(may, cve) {
					t.Fatalf("%+v has %s, which is not among %v", app, cve, may)
				}
			}
		}
	})
	if found == 0 {
		t.Error("nothing was ever found")
	}
}

func TestRescore(t *testing.T) {
	known := map[string]Facts{
		"CVE-1": {V2: NotScored, V3: 9.8, V4: NotScored, EPSS: 0.25}, "CVE-2": {V2: NotScored, V3: 5, V4: NotScored, EPSS: NotScored, KEV: true},
	}
	facts := func(cve string) Facts {
		if f, ok := known[cve]; ok {
			return f
		}
		return NoFacts
	}
	f := posture.Finding{CVEs: []string{"CVE-2"}, Scores: [...]float64{78.4, -1, 9.8}, EPSS: probability(0.25)}
	Rescore(&f, facts, DefaultThresholds())
	if f.Scores != [...]float64{50, -1, 5} || !f.KEV || f.EPSS != nil || f.Levels[posture.ScoreOpswat] != posture.LevelHigh {
		t.Errorf("%+v", f)
	}
	f.CVEs = []string{"CVE-3"}
	before := f
	Rescore(&f, facts, DefaultThresholds())
	if f.Scores != before.Scores || !f.KEV {
		t.Errorf("nothing is known, and it changed: %+v", f)
	}
}
