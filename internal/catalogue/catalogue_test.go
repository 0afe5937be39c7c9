package catalogue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/vuln"
)

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"osv": true, "debian-tracker": true, "a.b_c-1": true, "0": true, strings.Repeat("a", 64): true,
		"": false, "OSV": false, ".osv": false, "-x": false, "a/b": false, "a b": false, strings.Repeat("a", 65): false, "ä": false,
	} {
		if err := CheckName(name); (err == nil) != good || err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAges(t *testing.T) {
	ages, err := ParseAges("kev=30, epss=0")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		format string
		days   int
		old    bool
	}{
		{"kev", 30, false}, {"kev", 31, true}, {"epss", 900, false}, {"osv", 7, false}, {"osv", 8, true},
		{BuiltinFormat, 900, false}, {"other", 30, false}, {"other", 31, true},
	} {
		f := Feed{Format: c.format, AsOf: now.AddDate(0, 0, -c.days), ImportedAt: now}
		if got := ages.Old(&f, now); got != c.old {
			t.Errorf("%s after %d days: %v", c.format, c.days, got)
		}
		f = Feed{Format: c.format, ImportedAt: f.AsOf}
		if got := ages.Old(&f, now); got != c.old {
			t.Errorf("%s, imported %d days ago: %v", c.format, c.days, got)
		}
	}
	for _, text := range []string{"kev", "kev=", "kev=-1", "kev=x", "nope=1", "=1", "kev=1;epss=2", "kev=99999"} {
		if _, err := ParseAges(text); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(1000, func(string, int) int { return 10 })
	known := func(k string) bool {
		found := false
		c.get([]string{k}, func(string, int) { found = true })
		return found
	}
	for i := range 1000 {
		c.put(fmt.Sprint(i), i)
		if !known("0") {
			t.Fatalf("what is asked for all the time is forgotten after %d", i)
		}
		if n := len(c.young) + len(c.old); n > 100 {
			t.Fatalf("%d entries of 10 bytes in 1000", n)
		}
	}
	if known("500") || !known("999") {
		t.Error("the oldest should be forgotten, and the newest not")
	}
	other := c.without(map[string]bool{"999": true})
	c = other
	if known("999") || !known("998") || !known("0") {
		t.Error("a copy should lack what it is to be without, and nothing else")
	}
	if other.limit != 500 || other.bytes != 10*len(other.young) {
		t.Errorf("limit %d, bytes %d, %d entries", other.limit, other.bytes, len(other.young))
	}
	missing := c.get([]string{"x", "0", "y"}, func(string, int) {})
	if fmt.Sprint(missing) != "[x y]" {
		t.Errorf("missing: %v", missing)
	}
}

// TestStagedOf: what an entry says in the same words under several keys is kept once.
func TestStagedOf(t *testing.T) {
	e := vuln.Entry{ID: "A-1", Modified: "2026-03-01T09:00:00.1234Z", Summary: "s", Aliases: []string{"CVE-2026-0001", "CVE-2026-0002"}}
	for _, name := range []string{"a", "b", "a"} {
		e.Affected = append(e.Affected, vuln.Affected{
			Package: vuln.Package{Ecosystem: "npm", Name: name},
			Ranges:  []vuln.Range{{Type: "SEMVER", Events: []vuln.Event{{Introduced: "0"}, {Fixed: "1.0.0"}}}},
		})
	}
	p := vuln.Prepare(&e)
	s := stagedOf(3, &p)
	if s.Feed != 3 || s.Modified.Nanosecond() != 123_000_000 || len(s.Facts) > 3 {
		t.Errorf("%+v", s)
	}
	if got := s.Facts[0].Keys; len(got) != 2 || got[0].Name != "a" || got[1].Name != "b" {
		t.Errorf("keys of the packages: %v", got)
	}
	for i := range s.Facts {
		for j := range i {
			if string(s.Facts[i].Data) == string(s.Facts[j].Data) {
				t.Errorf("the same words twice: %s", s.Facts[i].Data)
			}
		}
	}
}

// TestAdapt: batches grow until they take as long as others can bear, and shrink when they take longer.
func TestAdapt(t *testing.T) {
	x := &Session{batch: firstBatch, most: maxBatch}
	for range 30 {
		x.adapt(time.Millisecond)
	}
	if x.batch != maxBatch {
		t.Errorf("after quick ones: %d", x.batch)
	}
	for range 30 {
		x.adapt(time.Second)
	}
	if x.batch != minBatch {
		t.Errorf("after slow ones: %d", x.batch)
	}
	x.adapt(wantedTime * 3 / 4)
	if x.batch != minBatch {
		t.Errorf("after one that is right: %d", x.batch)
	}
}
