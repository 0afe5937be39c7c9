package fleet_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"muster/internal/posture"
	"muster/tools/fleet"
)

var start = time.Date(2026, 11, 23, 21, 21, 15, 0, time.UTC)

func TestRandomMachinesAreAccepted(t *testing.T) {
	w := newWorld(t, func() time.Time { return start })
	const n = 200
	machines := make([]*fleet.Machine, n)
	for i := range machines {
		machines[i] = fleet.Random(7, i, start)
	}
	if _, err := fleet.Enrol(t.Context(), w.url, w.code, machines, 16); err != nil {
		t.Fatal(err)
	}
	counts, families, types := w.counts(t), map[posture.OSFamily]int{}, map[posture.DeviceType]int{}
	if counts.Used() != n {
		t.Errorf("%d machines became %d devices", n, counts.Used())
	}
	for _, d := range w.all(t) {
		families[d.OSFamily]++
		types[d.Type]++
		if d.Conflict {
			t.Errorf("%s is taken for another device", d.Name)
		}
	}
	if len(families) != 5 || len(types) != 6 {
		t.Errorf("systems %v, types %v", families, types)
	}
	for _, s := range []posture.Status{posture.StatusCompliant, posture.StatusNonCompliant} {
		if got := counts.Status[s]; got < n/40 {
			t.Errorf("%d of %d machines are %s: that is no mix", got, n, s)
		}
	}
	for level, got := range counts.Levels[posture.ScoreOpswat] {
		if got == 0 {
			t.Errorf("no machine has vulnerabilities of level %d", level)
		}
	}
}

func TestRandomMachinesAreAllDifferent(t *testing.T) {
	seen := make(map[string]string)
	claim := func(owner string, values ...string) {
		for _, v := range values {
			if other := seen[v]; other != "" && v != "" {
				t.Fatalf("%s and %s both have %s", other, owner, v)
			}
			seen[v] = owner
		}
	}
	demo := fleet.Demo(start)
	var addresses []string
	for _, m := range demo.Machines {
		claim(m.HostName, m.HostName, m.HardwareID, m.Serial)
		for _, a := range m.Adapters {
			addresses = append(addresses, a.MAC)
		}
	}
	for _, s := range demo.Unmanaged {
		addresses = append(addresses, s.MAC)
	}
	for _, mac := range addresses {
		claim("the demo", mac)
		if !odd(mac) {
			t.Errorf("the demo has the address %s, which a random machine may have", mac)
		}
	}
	for n := range 10_000 {
		m := fleet.Random(7, n, start)
		claim(m.HostName, m.HostName, m.HardwareID, m.Serial)
		for _, a := range m.Adapters {
			claim(m.HostName, a.MAC)
			if odd(a.MAC) {
				t.Fatalf("%s has the address %s, which the demo may have", m.HostName, a.MAC)
			}
		}
	}
}

// odd reports whether the last digit of an address is: that is what keeps the demo and random machines apart.
func odd(mac string) bool { return strings.ContainsAny(mac[len(mac)-1:], "13579bdf") }

func TestRandomMachinesAreTheSameEveryTime(t *testing.T) {
	for n := range 500 {
		a, b := fleet.Random(7, n, start), fleet.Random(7, n, start)
		if !reflect.DeepEqual(a, b) || !bytes.Equal(a.Report("id", start), b.Report("id", start)) {
			t.Fatalf("machine %d is not the same the second time", n)
		}
		if c := fleet.Random(8, n, start); len(c.HardwareID) > 0 && c.HardwareID == a.HardwareID || c.Adapters[0].MAC == a.Adapters[0].MAC {
			t.Fatalf("machine %d is the same with another seed", n)
		}
	}
}

func TestReportsHaveTheUsualSize(t *testing.T) {
	sum, computers := 0, 0
	for n := range 2000 {
		m := fleet.Random(7, n, start)
		size := len(m.Report("0193593aa1b27c3d8e4f5a6b7c8d9e0f", start))
		if m.HardwareID == "" {
			continue
		}
		if size < 7_000 || size > 18_000 {
			t.Errorf("a report of %s (%s) has %d bytes", m.HostName, m.OS.Name, size)
		}
		sum, computers = sum+size, computers+1
	}
	if mean := sum / computers; mean < 11_000 || mean > 13_000 {
		t.Errorf("a report of a computer has %d bytes: the budgets are for 12 kB", mean)
	}
}

// TestNoiseSaysNothingNew has each kind of machine report twice and then change.
func TestNoiseSaysNothingNew(t *testing.T) {
	clock := start
	w := newWorld(t, func() time.Time { return clock })
	machines := oneOfEach()
	agents, err := fleet.Enrol(t.Context(), w.url, w.code, machines, 4)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 6 {
		before := w.all(t)
		clock = clock.Add(10 * time.Minute)
		for i, a := range agents {
			a.Now = func() time.Time { return clock.Add(time.Second) }
			changed := round%2 == 1
			if changed {
				a.Machine = machines[i].Drift(round)
			}
			if err := a.Report(t.Context()); err != nil {
				t.Fatal(err)
			}
			d := before[a.DeviceID]
			if moved := !w.all(t)[a.DeviceID].ReportedAt.Equal(d.ReportedAt); moved != changed {
				t.Errorf("round %d: the report of %s was taken for a new one: %v, want %v", round, d.Name, moved, changed)
			}
		}
	}
}

// oneOfEach gives a machine of every system and type.
func oneOfEach() []*fleet.Machine {
	var out []*fleet.Machine
	seen := make(map[string]bool)
	for n := range 2000 {
		m := fleet.Random(7, n, start)
		if kind := m.OS.Name + m.Type; !seen[kind] {
			seen[kind] = true
			out = append(out, m)
		}
	}
	return out
}

func TestDrift(t *testing.T) {
	for _, m := range oneOfEach() {
		before := string(m.Report("id", start))
		seen := map[string]bool{}
		for step := range 200 {
			body := string(m.Drift(step).Report("id", start))
			if seen[body] {
				t.Fatalf("%s says the same again at step %d", m.HostName, step)
			}
			seen[body] = true
			if (step == 0) != (body == before) {
				t.Fatalf("%s: step %d changes the report: %v", m.HostName, step, body != before)
			}
		}
		first, again := m.Drift(3).Report("id", start), m.Drift(3).Report("id", start)
		if !bytes.Equal(first, again) {
			t.Errorf("%s: the same step gives two reports", m.HostName)
		}
		if string(m.Report("id", start)) != before {
			t.Errorf("%s was changed itself", m.HostName)
		}
	}
}

// TestDriftGoesOn: what was updated stays updated, firewalls go off and on again, and machines move between networks.
func TestDriftGoesOn(t *testing.T) {
	off, moved := 0, 0
	for _, m := range oneOfEach() {
		last := map[string]string{}
		for step := range 60 {
			changed := m.Drift(step)
			updated := 0
			for _, p := range changed.Software {
				if was := last[p.Name]; was != "" && was != p.Version {
					updated++
					if len(p.Version) < len(was) || len(p.Version) == len(was) && p.Version < was {
						t.Errorf("%s: %s went from %s to %s at step %d", m.HostName, p.Name, was, p.Version, step)
					}
				}
				last[p.Name] = p.Version
			}
			if step > 0 && len(changed.Software) > 0 && updated == 0 && !unnumbered(m) {
				t.Errorf("%s: nothing was updated at step %d", m.HostName, step)
			}
			for _, g := range changed.Guards {
				if g.Category == "firewall" && !g.State.Enabled {
					off++
				}
			}
			if len(m.Adapters) > 0 && changed.Adapters[0].IPv4 != m.Adapters[0].IPv4 {
				moved++
			}
		}
	}
	if off == 0 || moved == 0 {
		t.Errorf("firewalls were off %d times, machines moved %d times", off, moved)
	}
}

// unnumbered reports whether a version of the machine's does not end in a number, so that it stays.
func unnumbered(m *fleet.Machine) bool {
	return slices.ContainsFunc(m.Software, func(p fleet.Product) bool {
		return !strings.ContainsAny(p.Version[len(p.Version)-1:], "0123456789")
	})
}

// TestReportsFollowTheSchema holds the bodies to the form that is documented.
func TestReportsFollowTheSchema(t *testing.T) {
	f, err := os.Open("../../docs/schema/agent-report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("report.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := compiler.MustCompile("report.json")
	for _, m := range append(oneOfEach(), fleet.Demo(start).Machines...) {
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Report("id", start)))
		if err != nil {
			t.Fatalf("%s: %v", m.HostName, err)
		}
		if err := schema.Validate(body); err != nil {
			t.Errorf("%s: %v", m.HostName, err)
		}
	}
}

func TestOddNamesAreEscaped(t *testing.T) {
	for _, name := range []string{`quote"`, `back\slash`, "bell\a", "del\x7f", "Blåbærsyltetøy", "\u2028", "<&>", " "} {
		m := fleet.Random(7, 0, start)
		m.HostName = name
		var got struct {
			HostName string `json:"hostname"`
		}
		if err := json.Unmarshal(m.Report("", start), &got); err != nil || got.HostName != name {
			t.Errorf("host name %q became %q: %v", name, got.HostName, err)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	m := fleet.Random(7, 0, start)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(m.Report("id", start))))
	}
}

func BenchmarkRandomReport(b *testing.B) {
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		fleet.Random(7, n, start).Report("id", start)
	}
}

func BenchmarkDriftReport(b *testing.B) {
	m := fleet.Random(7, 0, start)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		m.Drift(n).Report("id", start)
	}
}
