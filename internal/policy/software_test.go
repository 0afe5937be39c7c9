package policy

import (
	"strings"
	"testing"

	"muster/internal/posture"
)

// Which product an issue is about does not depend on the order of a report.
func TestIssuesOfProgramsDoNotDependOnOrder(t *testing.T) {
	old := func(name, version string) posture.Application {
		return posture.Application{Name: name, Version: version}
	}
	p := Product{Name: "x*", MinVersion: "3"}
	for _, tc := range []struct {
		check string
		apps  []posture.Application
		says  string // "" for no issue
	}{
		{"required_products", []posture.Application{old("x", "1"), old("x", "2")}, "Installed: x 1;"},
		{"required_products", []posture.Application{old("x", "odd"), old("x", "1"), old("x y", "")}, "version of x y;"},
		{"required_products", []posture.Application{old("x", "odd"), old("x", "1")}, "cannot be compared: odd"},
		{"required_products", []posture.Application{old("x", "1"), old("x", "3")}, ""},
		{"product_versions", []posture.Application{old("x", "1"), old("x", "2"), old("x", "3")}, "Installed: x 1;"},
		{"product_versions", []posture.Application{old("x", "odd"), old("x", "1"), old("x y", "")}, "Installed: x 1;"},
		{"product_versions", []posture.Application{old("x", "odd"), old("x y", "")}, "cannot be compared: odd"},
		{"product_versions", []posture.Application{old("x", "3"), old("x y", "4")}, ""},
		{"forbidden_products", []posture.Application{old("x", "1"), old("x", "2"), old("x2", "")}, "Installed: x and x2;"},
	} {
		product := p
		if tc.check == "forbidden_products" {
			product.MinVersion = ""
		}
		c := compiled(t, only(Check{ID: tc.check, Products: []Product{product}}))
		for range tc.apps {
			tc.apps = append(tc.apps[1:], tc.apps[0])
			v := c.Evaluate(&Subject{Report: &posture.Report{Applications: tc.apps}}, now)
			if tc.says == "" && len(v.Issues) != 0 || tc.says != "" && (len(v.Issues) != 1 || !strings.Contains(v.Issues[0].Evidence, tc.says)) {
				t.Errorf("%s of %v: %+v, want %q", tc.check, tc.apps, v.Issues, tc.says)
			}
		}
	}
}

// What is known to be wrong is told before what is not known.
func TestRunningAndVersion(t *testing.T) {
	c := compiled(t, only(Check{ID: "required_products", Products: []Product{{Name: "x", MinVersion: "3", Running: true}}}))
	for _, tc := range []struct {
		version string
		running posture.Fact
		says    string
	}{
		{"3", posture.Yes, ""}, {"", posture.No, "x is not running"}, {"", posture.Yes, "did not give the version"},
		{"1", posture.No, "Installed: x 1"}, {"odd", posture.No, "cannot be compared"}, {"3", posture.NotReported, "whether x is running"},
		{"", posture.NotReported, "whether x is running"}, {"3", posture.No, "x is not running"},
	} {
		r := &posture.Report{Applications: []posture.Application{{Name: " x ", Version: tc.version, Running: tc.running}}}
		v := c.Evaluate(&Subject{Report: r}, now)
		if tc.says == "" && len(v.Issues) != 0 || tc.says != "" && (len(v.Issues) != 1 || !strings.Contains(v.Issues[0].Evidence, tc.says)) {
			t.Errorf("%+v: %+v", tc, v.Issues)
		}
	}
}
