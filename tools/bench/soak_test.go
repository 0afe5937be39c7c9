package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTurns: the call that is due first is made first.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all turns
		for _, at := range rapid.SliceOfN(rapid.Int64Range(0, 100), 1, 40).Draw(t, "due") {
			all = append(all, turn{at: time.Duration(at)})
		}
		for i := len(all)/2 - 1; i >= 0; i-- {
			all.settle(i)
		}
		for range 100 {
			first := slices.MinFunc(all, func(a, b turn) int { return int(a.at - b.at) })
			if all[0].at != first.at {
				t.Fatalf("the first is due at %d, and another at %d", all[0].at, first.at)
			}
			all[0].at += time.Duration(rapid.Int64Range(0, 30).Draw(t, "later"))
			all.settle(0)
		}
	})
}

// TestLossesAreSeen changes what is known of the devices, and the database: each difference has to be noticed.
func TestLossesAreSeen(t *testing.T) {
	dir := t.TempDir()
	b := &bench{options: &options{root: "../.."}, dir: dir, program: filepath.Join(dir, "muster")}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.program, "muster/cmd/muster").CombinedOutput()
	if err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	f, err := b.newFleet(t.Context(), "sqlite", baseSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.seed(t.Context(), baseSize); err != nil {
		t.Fatal(err)
	}
	s := &soak{fleet: f, bench: b, devices: make([]soaked, baseSize), began: time.Now()}
	if err := s.remember(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		err := s.verify(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("verified: %v, want %q", err, want)
		}
	}
	check("")
	same := said{1, uint8(7 % len(s.bodies.variants))}
	s.devices[7].answered = same // as it is stored
	check("")
	s.devices[7].answered = said{5, 1}
	check("1 reports were answered and are lost")
	s.devices[7].sent = same // the kill took the answer
	check("")
	db, err := f.openSQL(true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct{ statement, want string }{
		{"UPDATE devices SET lifecycle = 1 WHERE id = ?", "1 devices are gone"},
		{"UPDATE devices SET lifecycle = 0, id = 'X' || id WHERE id = ?", "was never answered"},
	} {
		if _, err := db.ExecContext(t.Context(), "PRAGMA foreign_keys = 0"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), c.statement, f.agents[9].id); err != nil {
			t.Fatal(err)
		}
		check(c.want)
	}
}
