package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"muster/internal/posture"
)

// The cases in testdata/cases are written for people: testdata/cases/README.md explains them. Here is what they are made
// of.
type (
	tableCase struct {
		Case     string             `yaml:"case"`
		OS       []posture.OSFamily `yaml:"os"`
		Report   tableReport        `yaml:"report"`
		Asks     yaml.Node          `yaml:"asks"`
		Outcome  posture.Outcome    `yaml:"outcome"`
		Evidence string             `yaml:"evidence"`
	}
	tableReport struct {
		OSVersion        string             `yaml:"os_version"`
		AgentVersion     string             `yaml:"agent_version"`
		Domain           string             `yaml:"domain"`
		Reboot           when               `yaml:"reboot"`
		Password         fact               `yaml:"password"`
		ScreenLock       fact               `yaml:"screen_lock"`
		LockAfter        time.Duration      `yaml:"lock_after"`
		StorageEncrypted fact               `yaml:"storage_encrypted"`
		Genuine          fact               `yaml:"genuine"`
		LookedFor        []posture.Category `yaml:"looked_for"`
		Processes        []string           `yaml:"processes"`
		Updates          *struct {
			Security int  `yaml:"security"`
			Checked  when `yaml:"checked"`
		} `yaml:"updates"`
		Patches *struct {
			Checked when `yaml:"checked"`
			Missing []struct {
				KB       string `yaml:"kb"`
				Title    string `yaml:"title"`
				Severity string `yaml:"severity"`
				Released when   `yaml:"released"`
			} `yaml:"missing"`
		} `yaml:"patches"`
		Threats struct {
			Scanned when `yaml:"scanned"`
			Found   []struct {
				Source   posture.ThreatSource `yaml:"source"`
				Name     string               `yaml:"name"`
				File     string               `yaml:"file"`
				Existing fact                 `yaml:"existing"`
				Found    when                 `yaml:"found"`
				Repeat   int                  `yaml:"repeat"`
			} `yaml:"found"`
		} `yaml:"threats"`
		Disks []struct {
			Name   string `yaml:"name"`
			Total  Size   `yaml:"total"`
			Free   Size   `yaml:"free"`
			System bool   `yaml:"system"`
		} `yaml:"disks"`
		Custom []struct {
			ID      string          `yaml:"id"`
			Outcome posture.Outcome `yaml:"outcome"`
			Output  string          `yaml:"output"`
			At      when            `yaml:"at"`
		} `yaml:"custom"`
		Products []struct {
			Name        string           `yaml:"name"`
			Vendor      string           `yaml:"vendor"`
			Version     string           `yaml:"version"`
			Ecosystem   string           `yaml:"ecosystem"`
			Category    posture.Category `yaml:"category"`
			Running     fact             `yaml:"running"`
			Enabled     fact             `yaml:"enabled"`
			Definitions when             `yaml:"definitions"`
			LastScan    when             `yaml:"last_scan"`
			LastBackup  when             `yaml:"last_backup"`
			Volumes     []struct {
				Name      string `yaml:"name"`
				Encrypted fact   `yaml:"encrypted"`
				System    bool   `yaml:"system"`
			} `yaml:"volumes"`
		} `yaml:"products"`
		Findings []struct {
			ID      string    `yaml:"id"`
			CVEs    []string  `yaml:"cves"`
			Product string    `yaml:"product"`
			KEV     bool      `yaml:"kev"`
			Levels  [3]string `yaml:"levels"`
		} `yaml:"findings"`
	}
	// fact is yes, no, or nothing.
	fact posture.Fact
	// when is a time such as "3d ago" or "in 48h", seen from the time at which the cases are judged.
	when struct{ time.Time }
)

func (f *fact) UnmarshalYAML(n *yaml.Node) error {
	*f = fact(map[string]posture.Fact{"yes": posture.Yes, "no": posture.No}[n.Value])
	return nil
}

func (w *when) UnmarshalYAML(n *yaml.Node) error {
	text, ago := strings.CutSuffix(n.Value, " ago")
	text = strings.TrimPrefix(text, "in ")
	var d Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	if ago {
		d = -d
	}
	w.Time = now.Add(time.Duration(d))
	return nil
}

// subject makes a device of the facts.
func (t *tableReport) subject(family posture.OSFamily) *Subject {
	r := &posture.Report{
		OS: posture.OS{Family: family, Version: t.OSVersion}, DeviceType: posture.Laptop, AgentVersion: t.AgentVersion, Domain: t.Domain,
		Reboot: t.Reboot.Time, UserPasswordSet: posture.Fact(t.Password), ScreenLock: posture.Fact(t.ScreenLock),
		ScreenLockAfter: t.LockAfter, StorageEncrypted: posture.Fact(t.StorageEncrypted), Genuine: posture.Fact(t.Genuine),
		Collected: t.LookedFor, Processes: t.Processes, ThreatsScanned: t.Threats.Scanned.Time,
	}
	if family == posture.IOS || family == posture.Android {
		r.DeviceType = posture.Phone
	}
	if t.Updates != nil {
		r.Updates = posture.Updates{Known: true, Security: t.Updates.Security, Pending: t.Updates.Security, Checked: t.Updates.Checked.Time}
	}
	if t.Patches != nil {
		r.PatchesKnown, r.PatchesChecked = true, t.Patches.Checked.Time
		for _, p := range t.Patches.Missing {
			r.MissingPatches = append(r.MissingPatches, posture.Patch{KB: p.KB, Title: p.Title, Severity: p.Severity, Released: p.Released.Time})
		}
	}
	for _, f := range t.Threats.Found {
		r.Threats = append(r.Threats, posture.Threat{Source: f.Source, Name: f.Name, File: f.File, Existing: posture.Fact(f.Existing),
			Found: f.Found.Time, Repeat: f.Repeat})
	}
	for _, d := range t.Disks {
		r.Disks = append(r.Disks, posture.Disk{Name: d.Name, Total: int64(d.Total), Free: int64(d.Free), System: d.System})
	}
	for _, c := range t.Custom {
		r.Custom = append(r.Custom, posture.CustomResult{ID: c.ID, Outcome: c.Outcome, Output: c.Output, At: c.At.Time})
	}
	t.software(r)
	s := &Subject{Report: r}
	for _, f := range t.Findings {
		v := posture.Finding{ID: f.ID, CVEs: f.CVEs, Product: f.Product, KEV: f.KEV}
		for i, l := range f.Levels {
			v.Levels[i] = levels[l]
		}
		s.Findings, s.Levels = append(s.Findings, v), s.Levels.Worst(v.Levels)
	}
	return s
}

func (t *tableReport) software(r *posture.Report) {
	for _, p := range t.Products {
		a := posture.Application{Name: p.Name, Vendor: p.Vendor, Version: p.Version, Ecosystem: p.Ecosystem, Category: p.Category,
			Running: posture.Fact(p.Running), Enabled: posture.Fact(p.Enabled), Definitions: p.Definitions.Time,
			LastScan: p.LastScan.Time, LastBackup: p.LastBackup.Time}
		for _, v := range p.Volumes {
			a.Volumes = append(a.Volumes, posture.Volume{Name: v.Name, Encrypted: posture.Fact(v.Encrypted), System: v.System})
		}
		r.Applications = append(r.Applications, a)
	}
}

// tableCases reads the cases of all files, by check.
func tableCases(t *testing.T) map[string][]tableCase {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	out := map[string][]tableCase{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		dec := yaml.NewDecoder(f)
		dec.KnownFields(true)
		var cases map[string][]tableCase
		if err := dec.Decode(&cases); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for check, list := range cases {
			if out[check] != nil {
				t.Errorf("%s has cases in two files", check)
			}
			for i := range list {
				if len(list[i].OS) == 0 {
					list[i].OS = families
				}
			}
			out[check] = list
		}
	}
	return out
}

// entry makes an entry of the policy of what a case asks for.
func (c *tableCase) entry(t *testing.T, check string) Check {
	t.Helper()
	out := Check{ID: check, Severity: Critical}
	if c.Asks.Kind != 0 {
		d := &decoder{lines: map[string]int{}}
		d.value("", &c.Asks, &out)
		if len(d.mistakes) > 0 {
			t.Fatal(d.mistakes)
		}
	}
	return out
}

// Each case comes to its outcome, with word for word its evidence, on every system that it is for.
func TestCases(t *testing.T) {
	cases := tableCases(t)
	for _, d := range Definitions() {
		for _, tc := range cases[d.ID] {
			for _, family := range tc.OS {
				t.Run(d.ID+"/"+tc.Case+"/"+string(family), func(t *testing.T) {
					c := compiled(t, only(tc.entry(t, d.ID)))
					s := tc.Report.subject(family)
					v := c.Evaluate(s, now)
					if tc.Outcome == posture.Pass {
						if len(v.Issues) > 0 || tc.Evidence != "" {
							t.Fatalf("got %+v", v.Issues)
						}
					} else if len(v.Issues) != 1 || v.Issues[0].Outcome != tc.Outcome || v.Issues[0].Evidence != tc.Evidence {
						t.Fatalf("got %+v\nwant %s: %s", v.Issues, tc.Outcome, tc.Evidence)
					}
					results := c.Explain(s, now)
					if len(results) != 1 || results[0].Outcome != tc.Outcome || results[0].Issue != (tc.Outcome != posture.Pass) {
						t.Errorf("explained as %+v", results)
					}
					if !v.NextChange.IsZero() {
						turnsExactlyFor(t, c, s, v)
					}
				})
			}
		}
	}
}

// turnsExactlyFor checks that the issues stay until NextChange, and are others from then on.
func turnsExactlyFor(t *testing.T, c *Compiled, s *Subject, v posture.Verdict) {
	t.Helper()
	if before := c.Evaluate(s, v.NextChange.Add(-tick)); !same(before.Issues, v.Issues) {
		t.Errorf("changes before %v: %+v", v.NextChange, before.Issues)
	}
	if at := c.Evaluate(s, v.NextChange); same(at.Issues, v.Issues) {
		t.Errorf("does not change at %v", v.NextChange)
	}
}

// Every check has a case for each outcome that it can come to, on every system.
func TestCasesAreComplete(t *testing.T) {
	cases := tableCases(t)
	for check := range cases {
		if define(check) == nil {
			t.Errorf("there is no check %s", check)
		}
	}
	dated := []posture.Outcome{posture.Errored}
	also := map[string][]posture.Outcome{
		"antimalware_definitions": dated, "antimalware_scan": dated, "backup_recent": dated, "reboot_recent": dated,
		"os_version": dated, "agent_version": dated, "required_products": dated, "product_versions": dated,
		"os_security_updates": {posture.Errored, posture.Stale}, "missing_patches": {posture.Errored, posture.Stale},
		"threats": {posture.Errored, posture.Stale}, "custom_check": {posture.Errored, posture.Stale},
	}
	for _, d := range Definitions() {
		for _, o := range append([]posture.Outcome{posture.Pass, posture.Fail, posture.Unknown}, also[d.ID]...) {
			for _, family := range families {
				if !slices.ContainsFunc(cases[d.ID], func(c tableCase) bool { return c.Outcome == o && slices.Contains(c.OS, family) }) {
					t.Errorf("%s has no case that comes to %s on %s", d.ID, o, family)
				}
			}
		}
		for _, p := range d.Params {
			if p != "title" && p != "scripts" && !slices.ContainsFunc(cases[d.ID], func(c tableCase) bool {
				entry := c.entry(t, d.ID)
				return parameters[p](&entry)
			}) {
				t.Errorf("%s has no case with %s", d.ID, p)
			}
		}
	}
}
