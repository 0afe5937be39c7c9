package policy

import (
	"strings"
	"testing"

	"muster/internal/posture"
)

// Vulnerabilities and products are told once each, in order, whatever the order in which they were found.
func TestVulnerabilitiesInEvidence(t *testing.T) {
	s := &Subject{Report: bare(), Findings: []posture.Finding{
		{ID: "V-2", Product: "perl"}, {ID: "V-1", Product: "curl"}, {ID: "V-2", Product: "perl"}, {ID: "V-1", Product: "tar"},
	}}
	got := compiled(t, only(Check{ID: "vulnerabilities"})).Explain(s, now)[0]
	if got.Outcome != posture.Fail || got.Product != "curl" || !strings.HasPrefix(got.Evidence, "Vulnerable: curl, perl and tar (V-1 and V-2); ") {
		t.Errorf("%+v", got)
	}
}

// A device of which every finding is accepted is one without findings, for checks, lists and expressions.
func TestOnlyAcceptedFindings(t *testing.T) {
	finding := posture.Finding{ID: "V-1", CVEs: []string{"CVE-1"}, Product: "curl"}
	for _, r := range []Rule{{Expression: "size(vulnerabilities) > 0"}, {CVEs: []string{"CVE-1"}}} {
		p := ruled(r)
		p.Checks = []Check{{ID: "vulnerabilities", Severity: Critical}}
		for _, accepted := range []*posture.Acceptance{nil, {ID: "1"}} {
			finding.Accepted = accepted
			v := compiled(t, p).Evaluate(&Subject{Report: bare(), Findings: []posture.Finding{finding}}, now)
			if open := accepted == nil; (v.Rule == "a") != open || (len(v.Issues) > 0) != open {
				t.Errorf("%+v, accepted %v: decided by %q, issues %+v", r, accepted, v.Rule, v.Issues)
			}
		}
	}
}
