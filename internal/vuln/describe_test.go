package vuln

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDescribe(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	list := `[
		{"id": "DSA-1", "aliases": ["CVE-2020-0001", "CVE-2020-0002"], "summary": "several faults", "published": "2020-02-01T00:00:00Z"},
		{"id": "CVE-2020-0001", "details": "\n The first line. \nAnd more.", "modified": "2020-03-04T05:06:07Z", "database_specific": {"cwe_ids": ["CWE-787", "CWE-79"]}},
		{"id": "GHSA-a", "aliases": ["CVE-2020-0003"], "summary": "from one", "published": "not a time"},
		{"id": "GHSA-b", "aliases": ["CVE-2020-0003"], "summary": "from another", "published": "2020-01-02T00:00:00Z"},
		{"id": "CVE-2020-0004", "withdrawn": "2021-01-01T00:00:00Z", "summary": "nothing after all"},
		{"id": "CVE-2020-0005", "summary": "` + strings.Repeat("å", 400) + `", "database_specific": {"cwe_ids": "CWE-1", "kev": true}}
	]`
	c, err := Parse(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Description{
		"DSA-1": {Summary: "several faults", Published: day("2020-02-01")},
		"CVE-2020-0001": {
			Summary: "The first line.", Published: day("2020-02-01"), CWE: "CWE-787",
			Modified: time.Date(2020, 3, 4, 5, 6, 7, 0, time.UTC),
		},
		"CVE-2020-0002": {Summary: "several faults", Published: day("2020-02-01")},
		"CVE-2020-0003": {Summary: "from one", Published: day("2020-01-02")},
		"CVE-2020-0005": {Summary: strings.Repeat("å", 299) + "…"},
		"GHSA-a":        {Summary: "from one"},
		"GHSA-b":        {Summary: "from another", Published: day("2020-01-02")},
	}
	for id, w := range want {
		got, ok := c.Describe(id)
		if !ok {
			t.Errorf("%s is not known", id)
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	for _, id := range []string{"", "CVE-2020-0004", "CVE-2020-00", "ZZZ"} {
		if got, ok := c.Describe(id); ok {
			t.Errorf("%q is described as %+v", id, got)
		}
	}
}

// TestDescribeOrder: what is said of a vulnerability must not depend on which feed was read first.
func TestDescribeOrder(t *testing.T) {
	a := Entry{ID: "GHSA-a", Aliases: []string{"CVE-2020-0003"}, Summary: "from one"}
	b := Entry{ID: "GHSA-b", Aliases: []string{"CVE-2020-0003"}, Summary: "from another", Extra: Extra{CWEs: weaknesses{"CWE-1"}}}
	one, _ := New([]Entry{a, b}).Describe("CVE-2020-0003")
	other, _ := New([]Entry{b, a}).Describe("CVE-2020-0003")
	if one != other || one.Summary != "from one" || one.CWE != "CWE-1" {
		t.Errorf("%+v or %+v", one, other)
	}
}

// TestUnreadableWeakness: what is beside it still counts.
func TestUnreadableWeakness(t *testing.T) {
	var e Extra
	err := json.Unmarshal([]byte(`{"cwe_ids": "CWE-1", "kev": true}`), &e)
	if err != nil || !e.KEV || len(e.CWEs) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestDescribeBuiltin(t *testing.T) {
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	d, ok := c.Describe("CVE-2014-0160")
	if !ok || !strings.Contains(d.Summary, "Heartbleed") {
		t.Errorf("%+v, %v", d, ok)
	}
}
