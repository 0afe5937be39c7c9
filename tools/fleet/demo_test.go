package fleet_test

import (
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/tools/fleet"
)

// The numbers that the reference's example of an account prints.
var wantDemo = device.Counts{
	Status: [posture.NumStatuses]int64{
		posture.StatusCompliant: 110, posture.StatusNonCompliant: 5, posture.StatusExempted: 5, posture.StatusUnknown: 25,
	},
	Severity: [3]int64{posture.Critical: 2, posture.Warning: 50, posture.NoIssue: 68},
}

var wantLevels = [posture.NumLevels]int64{
	posture.LevelCritical: 20, posture.LevelHigh: 50, posture.LevelMedium: 23, posture.LevelLow: 17, posture.LevelUnknown: 10,
}

func TestDemo(t *testing.T) {
	for _, day := range []string{"2026-11-23T21:21:15Z", "2027-06-01T00:00:00Z", "2028-02-29T23:59:59Z", "2026-03-29T01:30:00+01:00"} {
		t.Run(day, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.RFC3339, day)
			must(t, err)
			testDemo(t, now)
		})
	}
	t.Run("now", func(t *testing.T) {
		t.Parallel()
		testDemo(t, time.Now())
	})
}

func testDemo(t *testing.T, now time.Time) {
	clock := now
	w := newWorld(t, func() time.Time { return clock })
	agents := w.populate(t, fleet.Demo(now))
	checkDemo(t, w)

	mac, _ := posture.ParseMAC(fleet.DemoMAC)
	if d, err := w.devices.Find(t.Context(), w.account, device.Selector{MAC: mac, ByMAC: true}); err != nil || d.HostName != "web-vm-01" {
		t.Errorf("the adapter of the examples belongs to %q: %v", d.HostName, err)
	}

	before := w.all(t)
	clock = now.Add(15 * time.Minute)
	for _, a := range agents {
		must(t, a.Report(t.Context()))
	}
	checkUnchanged(t, w, before)
}

// TestDemoStartedAgain starts the demo on the database that it left: in the same hour, and after more days than
// definitions may be old.
func TestDemoStartedAgain(t *testing.T) {
	clock := start
	w := newWorld(t, func() time.Time { return clock })
	w.populate(t, fleet.Demo(start))
	before := w.all(t)

	clock = start.Add(15 * time.Minute)
	_, err := fleet.Enrol(t.Context(), w.url, w.code, fleet.Demo(clock).Machines, 8)
	must(t, err)
	checkDemo(t, w)
	checkUnchanged(t, w, before)

	clock = start.AddDate(0, 0, 10)
	_, err = fleet.Enrol(t.Context(), w.url, w.code, fleet.Demo(clock).Machines, 8)
	must(t, err)
	checkDemo(t, w)
}

// populate does what the demo does.
func (w *world) populate(t *testing.T, demo fleet.Demonstration) []*fleet.Agent {
	t.Helper()
	agents, err := fleet.Enrol(t.Context(), w.url, w.code, demo.Machines, 8)
	must(t, err)
	for _, e := range demo.Exempt {
		must(t, w.devices.Exempt(t.Context(), w.account, agents[e.Machine].DeviceID, e.Reason, time.Time{}))
	}
	n, err := w.devices.Import(t.Context(), w.account, sightings(t, demo.Unmanaged))
	must(t, err)
	if n != len(demo.Unmanaged) {
		t.Fatalf("%d of %d devices were imported", n, len(demo.Unmanaged))
	}
	return agents
}

// checkUnchanged fails the test if a report was taken for a new one.
func checkUnchanged(t *testing.T, w *world, before map[string]device.Device) {
	t.Helper()
	for id, d := range w.all(t) {
		if !d.ReportedAt.Equal(before[id].ReportedAt) {
			t.Errorf("the second report of %s was taken for a new one", d.Name)
		}
	}
}

func checkDemo(t *testing.T, w *world) {
	t.Helper()
	got := w.counts(t)
	if got.Status != wantDemo.Status {
		t.Errorf("by status %v, want %v", got.Status, wantDemo.Status)
	}
	if got.Severity != wantDemo.Severity {
		t.Errorf("by severity %v, want %v", got.Severity, wantDemo.Severity)
	}
	if got.Levels[posture.ScoreOpswat] != wantLevels {
		t.Errorf("by vulnerability %v, want %v", got.Levels[posture.ScoreOpswat], wantLevels)
	}
	if got.Used() != 120 {
		t.Errorf("%d devices use a licence", got.Used())
	}
	if t.Failed() {
		explain(t, w)
	}
}

// explain lists every device with what is thought of it, when the numbers are wrong.
func explain(t *testing.T, w *world) {
	t.Helper()
	for id, d := range w.all(t) {
		v, err := w.devices.Verdict(t.Context(), w.account, id)
		if err != nil {
			continue
		}
		checks, found := []string{}, []string{}
		for _, i := range v.Issues {
			checks = append(checks, i.Check)
		}
		for _, f := range v.Findings {
			found = append(found, f.ID)
		}
		t.Logf("%-14s %-13s %-8s %v %v %v", d.Name, d.Cell.Status, v.Severity, v.Levels, checks, found)
	}
}

func sightings(t *testing.T, list []fleet.Sighting) []device.Sighting {
	t.Helper()
	out := make([]device.Sighting, len(list))
	for i, s := range list {
		mac, ok := posture.ParseMAC(s.MAC)
		if !ok || s.Name == "" || string(posture.ParseDeviceType(s.Type)) != s.Type {
			t.Fatalf("%+v cannot be imported", s)
		}
		out[i] = device.Sighting{MAC: mac, Name: s.Name, Type: posture.ParseDeviceType(s.Type)}
	}
	return out
}
