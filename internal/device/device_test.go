package device_test

import (
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

func TestOwner(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 9, minute, 0, 0, time.UTC) }
	claim := func(id string, first, last int) device.Claim {
		return device.Claim{DeviceID: id, First: at(first), Last: at(last)}
	}
	many := make([]device.Claim, device.MaxClaims)
	for i := range many {
		many[i] = claim(string(rune('a'+i)), i, i)
	}
	for _, c := range []struct {
		name   string
		claims []device.Claim
		want   string
	}{
		{"nobody", nil, ""},
		{"one", []device.Claim{claim("a", 0, 9)}, "a"},
		{"a machine that was installed anew", []device.Claim{claim("a", 0, 9), claim("b", 10, 20)}, "b"},
		{"the same, read in the other order", []device.Claim{claim("b", 10, 20), claim("a", 0, 9)}, "b"},
		{"handed over within a moment", []device.Claim{claim("a", 0, 10), claim("b", 10, 20)}, "b"},
		{"a dock used by turns", []device.Claim{claim("a", 0, 30), claim("b", 10, 20)}, ""},
		{"two at the same time", []device.Claim{claim("a", 0, 30), claim("b", 10, 40)}, ""},
		{"shared long ago, then one alone", []device.Claim{claim("a", 0, 30), claim("b", 10, 20), claim("c", 40, 50)}, "c"},
		{"more than can be looked at", many, ""},
	} {
		got, ok := device.Owner(c.claims)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, ok)
		}
	}
}

func TestCountsAddUp(t *testing.T) {
	var c device.Counts
	for _, s := range posture.Statuses {
		c.Add(posture.Cell{Status: s, Severity: posture.Warning, Levels: posture.Levels{4, 3, 0}}, 2)
	}
	c.Add(posture.Cell{Status: posture.StatusCompliant, Severity: posture.Warning, Levels: posture.Levels{4, 3, 0}}, -1)
	if c.Used() != 13 || c.Severity != [3]int64{0, 13, 0} {
		t.Errorf("%+v", c)
	}
	for i, levels := range c.Levels {
		sum := int64(0)
		for _, n := range levels {
			sum += n
		}
		if sum != c.Used() {
			t.Errorf("levels under %v add up to %d", posture.ScoreType(i), sum)
		}
	}
}

func TestSelectorOf(t *testing.T) {
	if sel := device.SelectorOf("00-0C-29-00-00-01"); !sel.ByMAC || sel.MAC.String() != "00:0c:29:00:00:01" {
		t.Errorf("%+v", sel)
	}
	if sel := device.SelectorOf("5f0c2a9d7be14c33a1d2e4f607182930"); sel.ByMAC || sel.ID == "" {
		t.Errorf("%+v", sel)
	}
}
