package vuln

import (
	"fmt"
	"strings"
	"testing"

	"muster/internal/posture"
)

// TestWhatOneMachineHasIsBounded reports a package in as many versions as a report may hold, each with every one of its advisories.
func TestWhatOneMachineHasIsBounded(t *testing.T) {
	const perAdvisory = 40
	var entries []string
	for i := range 60 {
		severity, cves := "", make([]string, perAdvisory)
		for n := range cves {
			cves[n] = fmt.Sprintf(`"CVE-2020-%d"`, 10_000+perAdvisory*i+n)
		}
		if i == 59 {
			severity = `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],`
		}
		entries = append(entries, fmt.Sprintf(`{"id":"DSA-%d","aliases":[%s],%s"affected":[{"package":{"ecosystem":"Debian:12","name":"kernel"},
			"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"9"}]}]}]}`, i, strings.Join(cves, ","), severity))
	}
	c, err := Parse(strings.NewReader("[" + strings.Join(entries, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	r := &posture.Report{OS: posture.OS{Family: posture.Linux, Distribution: "Debian:12"}}
	for i := range 20_000 {
		r.Applications = append(r.Applications, posture.Application{Name: "kernel", Version: fmt.Sprintf("1.%d", i), Ecosystem: "Debian:12"})
	}
	findings, levels := c.Match(r)
	mentions := 0
	for i := range findings {
		mentions += len(findings[i].CVEs)
	}
	if len(findings) != maxFindings || mentions > maxMentions+60*perAdvisory {
		t.Errorf("%d findings that name %d CVEs", len(findings), mentions)
	}
	if findings[0].ID != "DSA-59" || levels[posture.ScoreCVSS3] != posture.LevelCritical {
		t.Errorf("the worst is %s, at %v", findings[0].ID, levels)
	}
}
